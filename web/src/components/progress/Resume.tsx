import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { resumeReady } from '../../resume';
import { resumeStore } from '../../stores/resumeStore';

/** What was begun and is sent by nobody: by one click where the browser can open the files, else by dropping them. */
export function Resume() {
  const say = useTexts();
  const { offer, opening } = useStore(resumeStore);
  if (opening !== null)
    return (
      <p className="resume" role="status">
        {opening === 0 ? say('resume.asking') : say('resume.opening', { count: opening })}
      </p>
    );
  if (!offer) return null;
  const { ready, missing, folders } = offer;
  const [folder] = folders;
  return (
    <div className="resume" role="status">
      {ready.length > 0 && (
        <button type="button" className="button button-primary" onClick={() => void resumeReady()}>
          {say('resume.go', { count: ready.length })}
        </button>
      )}
      {missing.length > 0 && (
        <p>
          {folder !== undefined && folders.length === 1
            ? say('resume.dropFolder', { count: missing.length, folder })
            : say('resume.drop', { count: missing.length })}
        </p>
      )}
    </div>
  );
}
