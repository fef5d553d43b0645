import { useId, useRef } from 'react';
import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { DEFAULT_LIMIT, LEAST_BANDWIDTH, MOST_REQUESTS, settingsStore, type Theme } from '../../stores/settingsStore';
import { LANGUAGES } from '../../texts';
import { IconButton } from '../icons';

const MB = 1_000_000;
const THEMES: readonly Theme[] = ['system', 'dark', 'light'];

/** What a person may set in this browser. */
export function Settings() {
  const say = useTexts();
  const { limit, bandwidth, theme, language } = useStore(settingsStore);
  const dialog = useRef<HTMLDialogElement>(null);
  const limitId = useId();
  const helpId = useId();
  const bandwidthId = useId();
  const bandwidthHelpId = useId();
  const languageId = useId();
  return (
    <>
      <IconButton icon="settings" label={say('settings.label')} onClick={() => dialog.current?.showModal()} />
      <dialog ref={dialog} className="sheet" aria-label={say('settings.label')}>
        <h2>{say('settings.label')}</h2>
        <label htmlFor={limitId}>{say('settings.limit')}</label>
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
          {say('settings.limitHelp', { limit: DEFAULT_LIMIT })}
        </p>
        <label htmlFor={bandwidthId}>{say('settings.bandwidth')}</label>
        <input
          id={bandwidthId}
          type="number"
          min={LEAST_BANDWIDTH / MB}
          step="any"
          placeholder={say('settings.bandwidthNone')}
          defaultValue={bandwidth === null ? '' : bandwidth / MB}
          aria-describedby={bandwidthHelpId}
          onChange={({ target }) => {
            if (target.value === '' && !target.validity.badInput) settingsStore.setState({ bandwidth: null });
            else if (target.validity.valid)
              settingsStore.setState({ bandwidth: Math.floor(target.valueAsNumber * MB) });
          }}
        />
        <p id={bandwidthHelpId} className="hint">
          {say('settings.bandwidthHelp')}
        </p>
        <fieldset>
          <legend>{say('settings.appearance')}</legend>
          {THEMES.map((id) => (
            <label key={id} className="choice">
              <input
                type="radio"
                name="theme"
                checked={theme === id}
                onChange={() => {
                  settingsStore.setState({ theme: id });
                }}
              />
              {say(`settings.theme.${id}`)}
            </label>
          ))}
        </fieldset>
        <label htmlFor={languageId}>{say('settings.language')}</label>
        <select
          id={languageId}
          value={language}
          onChange={({ target }) => {
            settingsStore.setState({ language: target.value as typeof language });
          }}
        >
          <option value="system">{say('settings.language.system')}</option>
          {LANGUAGES.map(({ id, name }) => (
            <option key={id} value={id} lang={id}>
              {name}
            </option>
          ))}
        </select>
        <form method="dialog">
          <button type="submit" className="button">
            {say('settings.done')}
          </button>
        </form>
      </dialog>
    </>
  );
}
