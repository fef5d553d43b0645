import { createStore } from 'zustand/vanilla';

export interface Notice {
  id: number;
  kind: 'error' | 'info';
  text: string;
  /** What one may do about it. */
  action?: { label: string; run: () => void };
}

export const noticeStore = createStore<{ notices: readonly Notice[] }>(() => ({ notices: [] }));

let last = 0;

/** Show a sentence until it is dismissed; one that is shown already is not repeated, and of those with an action the
 * newest alone is left. */
export function notify(text: string, kind: Notice['kind'] = 'error', action?: Notice['action']): void {
  const notices = noticeStore.getState().notices.filter((notice) => !action || !notice.action);
  if (!action && notices.some((notice) => notice.text === text)) return;
  noticeStore.setState({ notices: [...notices.slice(-3), { id: ++last, kind, text, ...(action && { action }) }] });
}

export function dismiss(id: number): void {
  noticeStore.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) }));
}
