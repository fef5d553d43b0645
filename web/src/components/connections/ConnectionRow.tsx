import { memo } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { lagText, personText, transportText } from '../../lib/connections';
import { bytesText, dateText } from '../../lib/format';
import { numberText } from '../../texts';
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
  const say = useTexts();
  const person = personText(connection);
  const transport = transportText(connection.transport);
  return (
    <tr role="row" data-ending={ending || undefined}>
      <th role="rowheader" scope="row">
        {person}
      </th>
      <td role="cell" className="connection-transport" data-label={say('connections.transport')}>
        {transport}
      </td>
      <td role="cell" data-label={say('connections.since')}>
        <time
          dateTime={connection.since}
          title={dateText(new Date(connection.since), { dateStyle: 'medium', timeStyle: 'medium' })}
        >
          {ago}
        </time>
      </td>
      <td role="cell" data-label={say('connections.subscriptions')}>
        <Subscriptions of={connection.subscriptions} />
      </td>
      <td role="cell" data-label={say('connections.backlog')} className="number">
        {numberText(connection.backlog)}
      </td>
      <td role="cell" data-label={say('connections.lag')} className="number">
        {lagText(connection.lagMs)}
      </td>
      <td role="cell" data-label={say('connections.sent')} className="number">
        {bytesText(connection.bytesSent)}
      </td>
      <td role="cell" className="connection-end">
        <button
          type="button"
          className="button"
          aria-label={say(ending ? 'connections.endingOne' : 'connections.endOne', { transport, person })}
          // Not `disabled`, which would take the focus away.
          aria-disabled={ending || undefined}
          onClick={() => {
            if (!ending) onEnd(connection);
          }}
        >
          {say(ending ? 'connections.ending' : 'connections.end')}
        </button>
      </td>
    </tr>
  );
});

function Subscriptions({ of }: { of: LiveConnection['subscriptions'] }) {
  const say = useTexts();
  if (of.length === 0) return '0';
  return (
    <details>
      <summary>
        {numberText(of.length)}
        <span className="unseen">{say('connections.withDestinations')}</span>
      </summary>
      <ul>
        {of.map(({ id, destination, backlog }) => (
          <li key={id}>
            <code>{destination}</code>
            {backlog > 0 && ` ${say('connections.behind', { count: backlog })}`}
          </li>
        ))}
      </ul>
    </details>
  );
}
