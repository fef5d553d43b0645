import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { adminApi } from '../app';
import { ConnectionTable } from '../components/connections/ConnectionTable';
import { EndDialog } from '../components/connections/EndDialog';
import { Connection } from '../components/layout/Connection';
import { useTexts } from '../hooks/useTexts';
import { useConnections } from '../hooks/useConnections';
import { sentenceOf } from '../lib/api/errors';
import { dateText } from '../lib/format';
import { oldestFirst, personText, totalsText } from '../lib/connections';
import { notify } from '../stores/noticeStore';
import type { LiveConnection } from '../types/wire';

/** The administrator's page. Until the server has said who asks, and for everybody else, it does not name itself. */
export function Connections() {
  const say = useTexts();
  const { data, isError, errorUpdateCount, dataUpdatedAt, refresh } = useConnections();
  if (data === null)
    return (
      <main className="library">
        <p className="library-none">{say('connections.nothing')}</p>
      </main>
    );
  if (data === undefined)
    return (
      <main className="library">
        {/* Not the error itself: it comes and goes with each of the tries. */}
        {errorUpdateCount > 0 ? (
          <div className="library-error" role="alert">
            <p>{say('connections.unanswered')}</p>
          </div>
        ) : (
          <p className="library-wait">{say('connections.fetching')}</p>
        )}
      </main>
    );
  return <Shown connections={data} at={dataUpdatedAt} old={isError} refresh={refresh} />;
}

function Shown(props: { connections: LiveConnection[]; at: number; old: boolean; refresh: () => Promise<void> }) {
  const { at, old, refresh } = props;
  const say = useTexts();
  const connections = useMemo(() => oldestFirst(props.connections), [props.connections]);
  const [asked, setAsked] = useState<LiveConnection | null>(null);
  const [ending, setEnding] = useState<ReadonlySet<string>>(new Set());
  const [said, setSaid] = useState('');
  const heading = useRef<HTMLHeadingElement>(null);

  const toHeading = useCallback(() => {
    if (document.activeElement === document.body) heading.current?.focus();
  }, []);
  // Whoever came here by a menu, which has closed, goes on reading here.
  useEffect(toHeading, [toHeading]);

  const end = async (connection: LiveConnection) => {
    const { connectionId } = connection;
    const person = personText(connection);
    setEnding((before) => new Set(before).add(connectionId));
    try {
      if (await adminApi.endConnection(connectionId)) setSaid(say('connections.ended', { person }));
      else notify(say('connections.endedAlready', { person }), 'info');
      await refresh();
    } catch (error) {
      notify(say('connections.notEnded', { person, reason: sentenceOf(error) }));
    } finally {
      setEnding((before) => new Set([...before].filter((id) => id !== connectionId)));
    }
  };

  return (
    <main className="library">
      <div className="library-head">
        <h1 ref={heading} tabIndex={-1}>
          {say('connections.title')}
        </h1>
        <p>{totalsText(connections)}</p>
        <Connection announced />
      </div>
      {old && (
        <div className="library-error" role="alert">
          <p>{say('connections.old', { time: dateText(at, { timeStyle: 'medium' }) })}</p>
        </div>
      )}
      <ConnectionTable connections={connections} now={at} ending={ending} onEnd={setAsked} onFocusLost={toHeading} />
      <p className="hint">{say('connections.hint')}</p>
      <p className="unseen" role="status">
        {said}
      </p>
      {asked && (
        <EndDialog
          key={asked.connectionId}
          connection={asked}
          onEnd={() => void end(asked)}
          onClose={() => {
            setAsked(null);
            toHeading(); // where the row behind the question has gone meanwhile
          }}
        />
      )}
    </main>
  );
}
