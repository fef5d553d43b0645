import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../app';
import type { UploadState } from '../stores/rows';
import type { UploadStore } from '../stores/uploadStore';

/** Which uploads the components of `progress` show: those of this page, or of a job that is merely watched. */
export interface Shown {
  store: UploadStore;
  /** Nothing can be done about them here. */
  watching: boolean;
  /** What the ids of their elements begin with. */
  id: string;
}

export const ShownUploads = createContext<Shown>({ store: uploads, watching: false, id: 'uploads' });

export function useShown(): Shown {
  return useContext(ShownUploads);
}

/** A part of the state of the uploads shown. */
export function useUploads<T>(selector: (state: UploadState) => T): T {
  return useStore(useShown().store, selector);
}
