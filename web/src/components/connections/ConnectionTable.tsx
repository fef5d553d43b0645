import { type FocusEvent, useLayoutEffect, useRef } from 'react';
import { agoText } from '../../lib/connections';
import type { LiveConnection } from '../../types/wire';
import { ConnectionRow } from './ConnectionRow';

const COLUMNS = [
  { label: 'Person' },
  { label: 'Transport' },
  { label: 'Since' },
  { label: 'Subscriptions' },
  { label: 'Backlog', number: true },
  { label: 'Lag', number: true },
  { label: 'Sent', number: true },
];

/** The table of live connections as they were at `now` (Unix milliseconds). `onFocusLost`: the row that had the focus was the last. */
export function ConnectionTable(props: {
  connections: readonly LiveConnection[];
  now: number;
  ending: ReadonlySet<string>;
  onEnd: (connection: LiveConnection) => void;
  onFocusLost: () => void;
}) {
  const { connections, now, ending, onEnd, onFocusLost } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const row = useRef<{ id: string; index: number } | null>(null);

  // A row that vanishes takes the focus with it: the row that moves into its place has it next.
  useLayoutEffect(() => {
    const last = row.current;
    if (!last) return;
    const here = connections.findIndex(({ connectionId }) => connectionId === last.id);
    row.current = here < 0 ? null : { ...last, index: here };
    if (here >= 0) return;
    if (document.activeElement !== document.body) return;
    const index = Math.min(last.index, connections.length - 1);
    const next = connections[index];
    if (!next) {
      onFocusLost();
      return;
    }
    body.current?.children[index]?.querySelector<HTMLElement>('.connection-end button')?.focus();
    row.current = { id: next.connectionId, index };
  }, [connections, onFocusLost]);

  const remember = ({ target }: FocusEvent<HTMLElement>) => {
    const index = [...(body.current?.children ?? [])].findIndex((each) => each.contains(target));
    const connection = connections[index];
    if (connection) row.current = { id: connection.connectionId, index };
  };

  if (connections.length === 0) return <p className="library-none">Nobody is connected.</p>;
  return (
    <table className="connections" role="table">
      <caption className="unseen">Live connections, the oldest first</caption>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map(({ label, number }) => (
            <th key={label} role="columnheader" scope="col" className={number ? 'number' : undefined}>
              {label}
            </th>
          ))}
          <th role="columnheader" scope="col">
            <span className="unseen">End it</span>
          </th>
        </tr>
      </thead>
      {/* React keeps silent while it takes rows away: a blur that is heard is somebody's own doing. */}
      <tbody role="rowgroup" ref={body} onFocus={remember} onBlur={() => (row.current = null)}>
        {connections.map((connection) => (
          <ConnectionRow
            key={connection.connectionId}
            connection={connection}
            ago={agoText(now - Date.parse(connection.since))}
            ending={ending.has(connection.connectionId)}
            onEnd={onEnd}
          />
        ))}
      </tbody>
    </table>
  );
}
