import { useSyncExternalStore } from 'react';
import { onLanguage, type Say, speaker } from '../texts';

/** `say`, for components: they are drawn anew when the language changes. */
export function useTexts(): Say {
  return useSyncExternalStore(onLanguage, speaker);
}
