import { useCallback, useEffect, useRef, useState } from 'react';
import { onRoute } from './useRoute';

/** The photo that is looked at: where it stands, and which it is where that is known yet. */
export interface Looked {
  position: number;
  photoId?: string | undefined;
}

// Browsers let a page write so many entries in ten seconds, and fewer than an arrow key held down goes by.
const REST_MS = 250;

/**
 * Which photo is looked at, if any. It is an entry of its own in the tab's history, so that Back (on a phone, its
 * gesture) closes what a tap has opened; Forward and a reload open it again. Another photo takes the entry over.
 *
 * It is kept beside the address and not in it: an address alone does not tell where in the library a photo stands.
 */
export function useLooked(): { looked: Looked | null; look: (at: Looked) => void; close: () => void } {
  const [looked, setLooked] = useState(inEntry);
  const closing = useRef(false);
  useEffect(
    () =>
      onRoute(() => {
        closing.current = false;
        setLooked(inEntry());
      }),
    [],
  );
  useEffect(() => {
    if (!looked) return undefined;
    const timer = setTimeout(() => {
      if (!closing.current && inEntry()) write(looked);
    }, REST_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [looked]);

  const look = useCallback((at: Looked) => {
    if (!inEntry()) {
      // The library scrolls to the photo that was looked at last; the browser would, later, to the first.
      window.history.scrollRestoration = 'manual';
      window.history.pushState({ looked: at }, '');
    }
    setLooked(at);
  }, []);
  const close = useCallback(() => {
    // Going back takes a moment; twice would leave the library.
    if (closing.current || !looked || !inEntry()) return;
    closing.current = true;
    write(looked);
    window.history.back();
  }, [looked]);
  return { looked, look, close };
}

function write(looked: Looked): void {
  window.history.replaceState({ looked }, '');
}

function inEntry(): Looked | null {
  const state: unknown = window.history.state;
  if (typeof state !== 'object' || state === null || !('looked' in state)) return null;
  return state.looked as Looked;
}
