import { createStore } from 'zustand/vanilla';
import { type Language, LANGUAGES } from '../texts';

export const DEFAULT_LIMIT = 100;
export const MOST_REQUESTS = 256;
/** The least that one may set, bytes a second: a photo of 2 MB in half a minute. */
export const LEAST_BANDWIDTH = 64_000;
const KEPT = 'safelight.settings';

export type Theme = 'system' | 'dark' | 'light';

export interface Settings {
  /** Most requests that send or finish uploads at once. */
  limit: number;
  /** Most bytes a second that are sent, in the mean over seconds; null for as many as go. */
  bandwidth: number | null;
  theme: Theme;
  /** `system`: as the browser asks for it. */
  language: 'system' | Language;
  /** Where the upload panel was put: pixels from the right edge and from the bottom. */
  panel: { right: number; bottom: number } | null;
  /** Whether a notification is wanted when all is done. */
  notify: boolean;
  /** Under which headings the library stands; `auto`: by how many photos there are a day. */
  grouping: 'auto' | 'day' | 'month';
}

/** What a person set in this browser, kept over reloads. */
export const settingsStore = createStore<Settings>(() => read(localStorage.getItem(KEPT)));

settingsStore.subscribe((settings) => {
  localStorage.setItem(KEPT, JSON.stringify(settings));
});

function read(kept: string | null): Settings {
  let found: Partial<Settings> = {};
  try {
    found = (JSON.parse(kept ?? '{}') ?? {}) as Partial<Settings>;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // not ours: the defaults will do
  }
  const { limit, bandwidth, theme, language, panel, notify, grouping } = found;
  return {
    limit: typeof limit === 'number' && limit >= 1 && limit <= MOST_REQUESTS ? Math.floor(limit) : DEFAULT_LIMIT,
    bandwidth: typeof bandwidth === 'number' && bandwidth >= LEAST_BANDWIDTH ? Math.floor(bandwidth) : null,
    theme: theme === 'dark' || theme === 'light' ? theme : 'system',
    language: LANGUAGES.find(({ id }) => id === language)?.id ?? 'system',
    panel: panel && Number.isFinite(panel.right) && Number.isFinite(panel.bottom) ? panel : null,
    notify: notify === true,
    grouping: grouping === 'day' || grouping === 'month' ? grouping : 'auto',
  };
}
