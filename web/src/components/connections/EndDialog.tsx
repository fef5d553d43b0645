import { useEffect, useId, useRef } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { personText, transportText } from '../../lib/connections';
import type { LiveConnection } from '../../types/wire';
import { Sentence } from '../Sentence';

/** Asks whether to end a connection. To keep it comes first, so that a second press of Enter does no harm. */
export function EndDialog(props: { connection: LiveConnection; onEnd: () => void; onClose: () => void }) {
  const { connection, onEnd, onClose } = props;
  const say = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  const textId = useId();

  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // Closed while it is still in the document, it gives the focus back to where it came from.
    return () => shown?.close();
  }, []);

  return (
    <dialog ref={dialog} className="sheet" aria-labelledby={headingId} aria-describedby={textId} onClose={onClose}>
      <h2 id={headingId}>{say('connections.sure')}</h2>
      <p id={textId} className="connection-question">
        <Sentence
          text="connections.sureText"
          values={{
            transport: transportText(connection.transport),
            person: <strong>{personText(connection)}</strong>,
          }}
        />
      </p>
      <form method="dialog" className="connection-choice">
        <button type="submit" className="button">
          {say('connections.keep')}
        </button>
        <button type="submit" className="button button-primary" onClick={onEnd}>
          {say('connections.endIt')}
        </button>
      </form>
    </dialog>
  );
}
