import { useEffect, useId, useRef } from 'react';
import { personText, transportText } from '../../lib/connections';
import type { LiveConnection } from '../../types/wire';

/** Asks whether to end a connection. To keep it comes first, so that a second press of Enter does no harm. */
export function EndDialog(props: { connection: LiveConnection; onEnd: () => void; onClose: () => void }) {
  const { connection, onEnd, onClose } = props;
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
      <h2 id={headingId}>End this connection?</h2>
      <p id={textId} className="connection-question">
        The {transportText(connection.transport)} connection of <strong>{personText(connection)}</strong> ends now. A
        page connects again by itself within seconds, and misses nothing.
      </p>
      <form method="dialog" className="connection-choice">
        <button type="submit" className="button">
          Keep it
        </button>
        <button type="submit" className="button button-primary" onClick={onEnd}>
          End connection
        </button>
      </form>
    </dialog>
  );
}
