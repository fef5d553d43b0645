/** What one may do with photos of the library, one or many. */
import { photosApi } from './app';
import { MOST_CHANGED, MOST_REMOVED } from './lib/api/photos';
import { ApiError, NetworkError, sentenceOf } from './lib/api/errors';
import { pieces } from './lib/photos/selection';
import { notify } from './stores/noticeStore';
import { say } from './texts';
import { refreshShown } from './hooks/useShelf';

// A browser that is given downloads faster than this drops some of them.
const BETWEEN_DOWNLOADS_MS = 400;

/** So many at a time; done when what is shown shows it. Gives the photos that were changed. */
async function change(
  photoIds: readonly string[],
  most: number,
  work: (some: readonly string[]) => Promise<string[]>,
): Promise<string[]> {
  const done: string[] = [];
  try {
    for (const some of pieces(photoIds, most)) done.push(...(await work(some)));
  } catch (error) {
    tell(error);
  }
  if (done.length > 0) await refreshShown();
  return done;
}

const counted = (photoIds: readonly string[]) => say('count.photos', { count: photoIds.length });

/** Into the trash, with a way back; gives those that are there now. As with all of these, a failure is told. */
export async function trash(photoIds: readonly string[]): Promise<string[]> {
  const done = await change(photoIds, MOST_CHANGED, (some) => photosApi.trash(some));
  const undo = { label: say('library.undo'), run: () => void restore(done) };
  if (done.length > 0) notify(say('library.trashed', { photos: counted(done) }), 'info', undo);
  return done;
}

/** Out of the trash, with a way back into it. */
export async function restore(photoIds: readonly string[]): Promise<string[]> {
  const done = await change(photoIds, MOST_CHANGED, (some) => photosApi.restore(some));
  const undo = { label: say('library.undo'), run: () => void trash(done) };
  if (done.length > 0) notify(say('library.restored', { photos: counted(done) }), 'info', undo);
  return done;
}

/** Out of the trash for good. */
export function remove(photoIds: readonly string[]): Promise<string[]> {
  return change(photoIds, MOST_REMOVED, (some) => photosApi.remove(some));
}

/** Originals, one after the other, each under its name; `onBegun` hears how many have been begun. */
export async function download(
  photoIds: readonly string[],
  signal?: AbortSignal,
  onBegun?: (count: number) => void,
): Promise<void> {
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
}

function tell(error: unknown): void {
  if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
  notify(sentenceOf(error));
}
