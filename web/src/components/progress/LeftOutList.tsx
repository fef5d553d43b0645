import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { leftOutStore, takeNote } from '../../stores/leftOutStore';
import { IconButton } from '../icons';

// More would not be read one by one.
const MOST_SHOWN = 200;

/** The files that were chosen and are not sent, each with the reason, until somebody has taken note. */
export function LeftOutList() {
  const say = useTexts();
  const files = useStore(leftOutStore, (state) => state.files);
  if (files.length === 0) return null;
  return (
    <div className="left-out" role="group" aria-label={say('leftOut.label')}>
      <details>
        <summary>{say('leftOut.count', { count: files.length })}</summary>
        <ul>
          {files.slice(0, MOST_SHOWN).map(({ path, reason }, index) => (
            <li key={index}>
              <bdi>{path}</bdi> <span>{say(`leftOut.${reason}`)}</span>
            </li>
          ))}
          {files.length > MOST_SHOWN && <li>{say('leftOut.more', { count: files.length - MOST_SHOWN })}</li>}
        </ul>
      </details>
      <IconButton icon="close" label={say('leftOut.dismiss')} onClick={takeNote} />
    </div>
  );
}
