import { useMemo } from 'react';
import { photosApi } from '../app';
import { MOST_CHANGED, MOST_REMOVED } from '../lib/api/photos';
import { ApiError, NetworkError, sentenceOf } from '../lib/api/errors';
import { pieces } from '../lib/photos/selection';
import type { Shelf } from '../lib/photos/shelf';
import { notify } from '../stores/noticeStore';
import { say } from '../texts';

// A browser that is given downloads faster than this drops some of them.
const BETWEEN_DOWNLOADS_MS = 400;

/** What one may do with photos, one or many. Each is done when the shelf shows it; a failure is told, and false. */
export function usePhotoActions(shelf: Shelf) {
  return useMemo(() => {
    const change = async (
      photoIds: readonly string[],
      most: number,
      work: (some: readonly string[]) => Promise<string[]>,
    ): Promise<string[]> => {
      const done: string[] = [];
      try {
        for (const some of pieces(photoIds, most)) done.push(...(await work(some)));
      } catch (error) {
        tell(error);
      }
      if (done.length > 0) await shelf.refresh(true);
      return done;
    };

    const restore = async (photoIds: readonly string[]) => {
      const done = await change(photoIds, MOST_CHANGED, (some) => photosApi.restore(some));
      if (done.length > 0)
        notify(say('library.restored', { photos: say('count.photos', { count: done.length }) }), 'info');
      return done;
    };
    const trash = async (photoIds: readonly string[]) => {
      const done = await change(photoIds, MOST_CHANGED, (some) => photosApi.trash(some));
      if (done.length > 0)
        notify(say('library.trashed', { photos: say('count.photos', { count: done.length }) }), 'info', {
          label: say('library.undo'),
          run: () => void restore(done),
        });
      return done;
    };
    const remove = (photoIds: readonly string[]) => change(photoIds, MOST_REMOVED, (some) => photosApi.remove(some));

    /** One after the other, each under its name; `onBegun` hears how many have been begun. */
    const download = async (photoIds: readonly string[], signal?: AbortSignal, onBegun?: (count: number) => void) => {
      try {
        for (const [at, photoId] of photoIds.entries()) {
          if (at > 0) await new Promise((resolve) => setTimeout(resolve, BETWEEN_DOWNLOADS_MS));
          if (signal?.aborted) return;
          const { url } = await photosApi.downloadUrl(photoId, signal);
          const link = document.createElement('a');
          link.href = url;
          link.download = '';
          link.click();
          onBegun?.(at + 1);
        }
      } catch (error) {
        if (!signal?.aborted) tell(error);
      }
    };
    return { trash, restore, remove, download };
  }, [shelf]);
}

export type PhotoActions = ReturnType<typeof usePhotoActions>;

function tell(error: unknown): void {
  if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
  notify(sentenceOf(error));
}
