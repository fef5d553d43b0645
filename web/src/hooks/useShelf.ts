import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { photosApi } from '../app';
import type { Place } from '../lib/api/photos';
import { Shelf } from '../lib/photos/shelf';
import type { LibraryNews } from '../live';

const shown = new Set<Shelf>();

/** Puts what has been published into the library shown, without loading it anew. */
export const libraryNews: LibraryNews = {
  onCompleted: () => {
    for (const shelf of shown) shelf.news(false);
  },
  onEnded: () => {
    for (const shelf of shown) shelf.news(true);
  },
};

/** Done when whatever is shown is as the server has it. */
export async function refreshShown(): Promise<void> {
  await Promise.all([...shown].map((shelf) => shelf.refresh(true)));
}

/** The photos of the library or the trash that match `search`; the component renders anew with each change of them. */
export function useShelf(place: Place, search: string): Shelf {
  const shelf = useMemo(() => {
    const wanted = search === '' ? undefined : search;
    return new Shelf({
      timeline: (signal) => photosApi.timeline(place, wanted, signal),
      page: (asked, signal) => photosApi.page(place, { ...asked, search: wanted }, signal),
    });
  }, [place, search]);
  useEffect(() => {
    shown.add(shelf);
    shelf.open();
    return () => {
      shown.delete(shelf);
      shelf.close();
    };
  }, [shelf]);
  useSyncExternalStore(shelf.subscribe, () => shelf.version);
  return shelf;
}
