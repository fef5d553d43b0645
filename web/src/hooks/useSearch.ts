import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import { go, onRoute } from './useRoute';

// So long after the last letter it is looked for.
const REST_MS = 250;

const read = () => new URLSearchParams(window.location.search).get('q') ?? '';

export interface Search {
  /** As it stands in the field. */
  text: string;
  /** As it stands in the address: what is looked for. */
  search: string;
  type: (text: string) => void;
  clear: () => void;
}

/** What one looks for, kept in the address: it survives a reload, and may be sent to somebody. */
export function useSearch(): Search {
  const search = useSyncExternalStore(onRoute, read);
  const [text, setText] = useState(search);
  const [seen, setSeen] = useState(search);
  if (search !== seen) {
    setSeen(search);
    // Somebody went back, or elsewhere; what was typed itself stays as it was typed.
    if (search !== text.trim()) setText(search);
  }
  const write = useCallback((wanted: string) => {
    go(window.location.pathname + (wanted === '' ? '' : `?${new URLSearchParams({ q: wanted }).toString()}`), true);
  }, []);
  useEffect(() => {
    const wanted = text.trim();
    if (wanted === search) return undefined;
    const timer = setTimeout(() => {
      write(wanted);
    }, REST_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [text, search, write]);
  return {
    text,
    search,
    type: setText,
    clear: () => {
      setText('');
      write('');
    },
  };
}
