import { type FocusEvent, useLayoutEffect, useRef } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { agoText } from '../../lib/connections';
import type { LiveConnection } from '../../types/wire';
import { ConnectionRow } from './ConnectionRow';

const COLUMNS = ['person', 'transport', 'since', 'subscriptions', 'backlog', 'lag', 'sent'] as const;
const NUMBERS: ReadonlySet<string> = new Set(['backlog', 'lag', 'sent']);

/** The table of live connections as they were at `now` (Unix milliseconds). `onFocusLost`: the row that had the focus was the last. */
export function ConnectionTable(props: {
  connections: readonly LiveConnection[];
  now: number;
  ending: ReadonlySet<string>;
  onEnd: (connection: LiveConnection) => void;
  onFocusLost: () => void;
}) {
  const { connections, now, ending, onEnd, onFocusLost } = props;
  const say = useTexts();
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

  if (connections.length === 0) return <p className="library-none">{say('connections.none')}</p>;
  return (
    <table className="connections" role="table">
      <caption className="unseen">{say('connections.caption')}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {COLUMNS.map((id) => (
            <th key={id} role="columnheader" scope="col" className={NUMBERS.has(id) ? 'number' : undefined}>
              {say(`connections.${id}`)}
            </th>
          ))}
          <th role="columnheader" scope="col">
            <span className="unseen">{say('connections.endColumn')}</span>
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
