import { createStore } from 'zustand/vanilla';
import type { LeftOut } from '../lib/upload/validate';

/** Files that were chosen and are not sent, until somebody has taken note. */
export const leftOutStore = createStore<{ files: readonly LeftOut[] }>(() => ({ files: [] }));

export function leaveOut(files: readonly LeftOut[]): void {
  if (files.length > 0) leftOutStore.setState((state) => ({ files: [...state.files, ...files] }));
}

export function takeNote(): void {
  leftOutStore.setState({ files: [] });
}
