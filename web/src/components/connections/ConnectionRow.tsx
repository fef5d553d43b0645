import { memo } from 'react';
import { lagText, personText, transportText } from '../../lib/connections';
import { bytesText } from '../../lib/format';
import type { LiveConnection } from '../../types/wire';

/**
 * One live connection. The roles are said in full: the narrow layout takes the table's display away, and some browsers
 * its meaning with it.
 */
export const ConnectionRow = memo(function ConnectionRow(props: {
  connection: LiveConnection;
  ago: string;
  ending: boolean;
  onEnd: (connection: LiveConnection) => void;
}) {
  const { connection, ago, ending, onEnd } = props;
  const person = personText(connection);
  const transport = transportText(connection.transport);
  return (
    <tr role="row" data-ending={ending || undefined}>
      <th role="rowheader" scope="row">
        {person}
      </th>
      <td role="cell" data-label="Transport">
        {transport}
      </td>
      <td role="cell" data-label="Since">
        <time dateTime={connection.since} title={new Date(connection.since).toLocaleString()}>
          {ago}
        </time>
      </td>
      <td role="cell" data-label="Subscriptions">
        <Subscriptions of={connection.subscriptions} />
      </td>
      <td role="cell" data-label="Backlog" className="number">
        {connection.backlog.toLocaleString('en')}
      </td>
      <td role="cell" data-label="Lag" className="number">
        {lagText(connection.lagMs)}
      </td>
      <td role="cell" data-label="Sent" className="number">
        {bytesText(connection.bytesSent)}
      </td>
      <td role="cell" className="connection-end">
        <button
          type="button"
          className="button"
          aria-label={`${ending ? 'Ending' : 'End'} the ${transport} connection of ${person}`}
          // Not `disabled`, which would take the focus away.
          aria-disabled={ending || undefined}
          onClick={() => {
            if (!ending) onEnd(connection);
          }}
        >
          {ending ? 'Ending…' : 'End'}
        </button>
      </td>
    </tr>
  );
});

function Subscriptions({ of }: { of: LiveConnection['subscriptions'] }) {
  if (of.length === 0) return '0';
  return (
    <details>
      <summary>
        {of.length.toLocaleString('en')}
        <span className="unseen"> with their destinations</span>
      </summary>
      <ul>
        {of.map(({ id, destination, backlog }) => (
          <li key={id}>
            <code>{destination}</code>
            {backlog > 0 && ` ${backlog.toLocaleString('en')} behind`}
          </li>
        ))}
      </ul>
    </details>
  );
}
