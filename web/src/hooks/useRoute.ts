import { type MouseEvent, useSyncExternalStore } from 'react';

const CHANGED = 'safelight:route';

/** Be told when another address is shown. */
export function onRoute(listener: () => void): () => void {
  window.addEventListener('popstate', listener);
  window.addEventListener(CHANGED, listener);
  return () => {
    window.removeEventListener('popstate', listener);
    window.removeEventListener(CHANGED, listener);
  };
}

/** The path shown now. */
export function useRoute(): string {
  return useSyncExternalStore(onRoute, () => window.location.pathname);
}

/** Go to a path of the page (with its query), without loading it anew. */
export function go(path: string, replace = false): void {
  if (replace) window.history.replaceState(null, '', path);
  else window.history.pushState(null, '', path);
  window.dispatchEvent(new Event(CHANGED));
}

/** For links: go there without loading the page anew, unless another tab or window is wanted. */
export function follow(event: MouseEvent<HTMLAnchorElement>): void {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(new URL(event.currentTarget.href).pathname);
}
