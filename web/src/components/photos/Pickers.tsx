import { type ChangeEvent, type InputHTMLAttributes, useRef } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { Icon } from '../icons';

// Chromium, Firefox and Safari know it; React's types do not.
const FOLDER = { webkitdirectory: '' } as InputHTMLAttributes<HTMLInputElement>;

/** Buttons that open the system's pickers, one for files and one for a folder. */
export function Pickers({ onPick, large = false }: { onPick: (files: File[]) => void; large?: boolean }) {
  const say = useTexts();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const picked = (event: ChangeEvent<HTMLInputElement>) => {
    // Taken out first: the list is emptied with the value, which must go, or the same file could not be chosen again.
    const list = [...(event.target.files ?? [])];
    event.target.value = '';
    if (list.length) onPick(list);
  };
  return (
    <div className="pickers" data-large={large || undefined}>
      <button type="button" className="button button-primary" onClick={() => files.current?.click()}>
        <Icon name="add" />
        <span>{say('pick.photos')}</span>
      </button>
      <button
        type="button"
        className="button"
        aria-label={say('pick.folder')}
        title={say('pick.folder')}
        onClick={() => folder.current?.click()}
      >
        <Icon name="folder" />
        <span className="button-words">{say('pick.folder')}</span>
      </button>
      <input ref={files} type="file" multiple hidden data-testid="pick-files" onChange={picked} />
      <input ref={folder} type="file" multiple hidden data-testid="pick-folder" onChange={picked} {...FOLDER} />
    </div>
  );
}
