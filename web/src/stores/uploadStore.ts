import { createStore } from 'zustand/vanilla';
import { type Action, EMPTY, reduce } from './reduce';
import type { UploadState } from './rows';

/** Runs `flush` before the next frame is drawn; hidden pages draw none, so not later than a quarter of a second. */
export type Schedule = (flush: () => void) => void;

export const beforeNextFrame: Schedule = (flush) => {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    flush();
  };
  const timer = setTimeout(once, 250);
  requestAnimationFrame(once);
};

/** The uploads as one store. Whatever is dispatched between two frames is one change. */
export function createUploadStore(schedule: Schedule = beforeNextFrame) {
  const store = createStore<UploadState>(() => EMPTY);
  let queue: Action[] = [];
  // Of byte counts and speeds only the newest matters.
  let newest = new Map<string, Action>();
  let scheduled = false;

  const flush = () => {
    scheduled = false;
    const actions = [...queue, ...newest.values()];
    queue = [];
    newest = new Map();
    if (actions.length) store.setState((state) => reduce(state, actions), true);
  };

  return {
    getState: store.getState,
    getInitialState: store.getInitialState,
    subscribe: store.subscribe,
    dispatch(action: Action): void {
      if (action.type === 'bytes' || action.type === 'speed') newest.set(`${action.type} ${action.photoId}`, action);
      else queue.push(action);
      if (scheduled) return;
      scheduled = true;
      schedule(flush);
    },
    /** Apply what was dispatched now, for those who must see it at once. */
    flush,
  };
}

export type UploadStore = ReturnType<typeof createUploadStore>;
