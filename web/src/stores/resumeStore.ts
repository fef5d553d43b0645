import { createStore } from 'zustand/vanilla';
import type { Offer } from '../lib/upload/keeping/resumption';

export interface Resumable {
  /** What may be gone on with; null where there is nothing. */
  offer: Offer | null;
  /** How many files were opened so far, while a resume is being prepared. */
  opening: number | null;
}

export const resumeStore = createStore<Resumable>(() => ({ offer: null, opening: null }));
