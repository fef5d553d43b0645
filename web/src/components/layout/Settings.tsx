import { useId, useRef } from 'react';
import { useStore } from 'zustand';
import { DEFAULT_LIMIT, LEAST_BANDWIDTH, MOST_REQUESTS, settingsStore, type Theme } from '../../stores/settingsStore';
import { IconButton } from '../icons';

const MB = 1_000_000;

const THEMES: { id: Theme; label: string }[] = [
  { id: 'system', label: 'As the system has it' },
  { id: 'dark', label: 'Dark' },
  { id: 'light', label: 'Light' },
];

/** What a person may set in this browser. */
export function Settings() {
  const { limit, bandwidth, theme } = useStore(settingsStore);
  const dialog = useRef<HTMLDialogElement>(null);
  const limitId = useId();
  const helpId = useId();
  const bandwidthId = useId();
  const bandwidthHelpId = useId();
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
          How many photos and parts of photos are sent at the same time at most, {DEFAULT_LIMIT} unless you change it.
          As many of these are used as make it faster; a server reached over HTTP/1.1 gets as many as the browser opens
          connections.
        </p>
        <label htmlFor={bandwidthId}>Most megabytes a second</label>
        <input
          id={bandwidthId}
          type="number"
          min={LEAST_BANDWIDTH / MB}
          step="any"
          placeholder="no limit"
          defaultValue={bandwidth === null ? '' : bandwidth / MB}
          aria-describedby={bandwidthHelpId}
          onChange={({ target }) => {
            if (target.value === '' && !target.validity.badInput) settingsStore.setState({ bandwidth: null });
            else if (target.validity.valid)
              settingsStore.setState({ bandwidth: Math.floor(target.valueAsNumber * MB) });
          }}
        />
        <p id={bandwidthHelpId} className="hint">
          So much is sent in the mean, with pauses between photos; leave it empty to send as fast as the line allows.
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
