import { useSyncExternalStore } from 'react';
import { language, onLanguage, say, type Say } from '../texts';

/** `say`, for components: they are drawn anew when the language changes. */
export function useTexts(): Say {
  useSyncExternalStore(onLanguage, language);
  return say;
}
