import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { dismiss, noticeStore } from '../../stores/noticeStore';
import { IconButton } from '../icons';

/** Sentences that somebody should read, until they are dismissed. */
export function Notices() {
  const say = useTexts();
  const notices = useStore(noticeStore, (state) => state.notices);
  return (
    <div className="notices" role="region" aria-label={say('notices.label')} aria-live="polite">
      {notices.map(({ id, kind, text, action }) => (
        <div key={id} className="notice" data-kind={kind}>
          <p>{text}</p>
          {action && (
            <button
              type="button"
              className="text-button"
              onClick={() => {
                dismiss(id);
                action.run();
              }}
            >
              {action.label}
            </button>
          )}
          <IconButton
            icon="close"
            label={say('notices.dismiss')}
            onClick={() => {
              dismiss(id);
            }}
          />
        </div>
      ))}
    </div>
  );
}
