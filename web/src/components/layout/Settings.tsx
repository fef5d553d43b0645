import { useId, useRef } from 'react';
import { useStore } from 'zustand';
import { DEFAULT_LIMIT, MOST_REQUESTS, settingsStore, type Theme } from '../../stores/settingsStore';
import { IconButton } from '../icons';

const THEMES: { id: Theme; label: string }[] = [
  { id: 'system', label: 'As the system has it' },
  { id: 'dark', label: 'Dark' },
  { id: 'light', label: 'Light' },
];

/** What a person may set in this browser. */
export function Settings() {
  const { limit, theme } = useStore(settingsStore);
  const dialog = useRef<HTMLDialogElement>(null);
  const limitId = useId();
  const helpId = useId();
  return (
    <>
      <IconButton icon="settings" label="Settings" onClick={() => dialog.current?.showModal()} />
      <dialog ref={dialog} className="sheet" aria-label="Settings">
        <h2>Settings</h2>
        <label htmlFor={limitId}>Requests at once</label>
        <input
          id={limitId}
          type="number"
          min={1}
          max={MOST_REQUESTS}
          value={limit}
          aria-describedby={helpId}
          onChange={({ target }) => {
            const wanted = Math.floor(target.valueAsNumber);
            if (wanted >= 1 && wanted <= MOST_REQUESTS) settingsStore.setState({ limit: wanted });
          }}
        />
        <p id={helpId} className="hint">
          How many photos and parts of photos are sent at the same time, {DEFAULT_LIMIT} unless you change it. A server
          reached over HTTP/1.1 gets as many as the browser opens connections.
        </p>
        <fieldset>
          <legend>Appearance</legend>
          {THEMES.map(({ id, label }) => (
            <label key={id} className="choice">
              <input
                type="radio"
                name="theme"
                checked={theme === id}
                onChange={() => {
                  settingsStore.setState({ theme: id });
                }}
              />
              {label}
            </label>
          ))}
        </fieldset>
        <form method="dialog">
          <button type="submit" className="button">
            Done
          </button>
        </form>
      </dialog>
    </>
  );
}
