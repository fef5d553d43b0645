import { useEffect, useSyncExternalStore } from 'react';
import { useStore } from 'zustand';
import { settingsStore } from '../stores/settingsStore';

const light = window.matchMedia('(prefers-color-scheme: light)');

function subscribe(listener: () => void): () => void {
  light.addEventListener('change', listener);
  return () => {
    light.removeEventListener('change', listener);
  };
}

/** The theme in force, and the other one as a wish. */
export function useTheme(): { theme: 'dark' | 'light'; toggle: () => void } {
  const wanted = useStore(settingsStore, (settings) => settings.theme);
  const systemLight = useSyncExternalStore(subscribe, () => light.matches);
  const theme = wanted === 'system' ? (systemLight ? 'light' : 'dark') : wanted;
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return {
    theme,
    toggle: () => {
      settingsStore.setState({ theme: theme === 'dark' ? 'light' : 'dark' });
    },
  };
}
