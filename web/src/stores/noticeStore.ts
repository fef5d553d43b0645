import { createStore } from 'zustand/vanilla';

export interface Notice {
  id: number;
  kind: 'error' | 'info';
  text: string;
}

export const noticeStore = createStore<{ notices: readonly Notice[] }>(() => ({ notices: [] }));

let last = 0;

/** Show a sentence until it is dismissed; one that is shown already is not repeated. */
export function notify(text: string, kind: Notice['kind'] = 'error'): void {
  const { notices } = noticeStore.getState();
  if (notices.some((notice) => notice.text === text)) return;
  noticeStore.setState({ notices: [...notices.slice(-3), { id: ++last, kind, text }] });
}

export function dismiss(id: number): void {
  noticeStore.setState(({ notices }) => ({ notices: notices.filter((notice) => notice.id !== id) }));
}
