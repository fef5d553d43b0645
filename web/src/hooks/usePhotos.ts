import { type QueryClient, useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { photosApi } from '../app';
import type { LibraryNews } from '../live';
import { mergeNewest, type Pages, without } from '../lib/photos/merge';
import { notify } from '../stores/noticeStore';
import { ApiError, NetworkError, sentenceOf } from '../lib/api/errors';
import type { Listing, Summary } from '../types/wire';

const PAGE = 100;
const REFRESH_EVERY_MS = 1_000;
// A refresh in full asks for every loaded page again; beyond so many it begins anew at the top.
const MOST_PAGES = 5;

export type Shelf = 'library' | 'trash';

const listOf = (shelf: Shelf) => (shelf === 'trash' ? photosApi.trash.bind(photosApi) : photosApi.list.bind(photosApi));

/** The photos of the library or the trash that match `search`, page by page. */
export function usePhotos(shelf: Shelf, search: string) {
  return useInfiniteQuery({
    queryKey: [shelf, search],
    queryFn: ({ pageParam, signal }): Promise<Listing> =>
      listOf(shelf)({ search: search || undefined, cursor: pageParam ?? undefined, size: PAGE }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.nextCursor ?? null,
  });
}

/** Puts what has been published into the library shown, at most once a second and without loading it anew. */
export function libraryNews(queries: QueryClient): LibraryNews & { stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let whole = false;
  let news = 0;
  let refreshed = 0;

  const refresh = async () => {
    refreshed = Date.now();
    const all = whole;
    whole = false;
    for (const query of queries.getQueryCache().findAll({ queryKey: ['library'], type: 'active' })) {
      const known = query.state.data as Pages | undefined;
      const search = typeof query.queryKey[1] === 'string' ? query.queryKey[1] : '';
      if (all && known && known.pages.length <= MOST_PAGES) {
        await queries.invalidateQueries({ queryKey: query.queryKey, exact: true });
        continue;
      }
      const fresh = await photosApi.list({ search: search || undefined, size: PAGE });
      const merged = known && mergeNewest(query.state.data as Pages, fresh);
      if (merged) queries.setQueryData(query.queryKey, merged);
      else await queries.resetQueries({ queryKey: query.queryKey, exact: true });
    }
  };

  const soon = () => {
    news++;
    timer ??= setTimeout(() => void run(), Math.max(50, refreshed + REFRESH_EVERY_MS - Date.now()));
  };

  const run = async () => {
    const seen = news;
    try {
      await refresh();
    } catch (error) {
      if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
      whole = true; // the channel's return brings the next refresh
    } finally {
      timer = undefined;
    }
    if (news !== seen) soon(); // something came meanwhile
  };

  return {
    onCompleted: soon,
    onEnded: () => {
      whole = true;
      soon();
    },
    stop: () => {
      clearTimeout(timer);
    },
  };
}

/** What one may do with a photo. Each changes the lists shown once the server has done it. */
export function usePhotoActions() {
  const queries = useQueryClient();

  const takeFrom = (shelf: Shelf, photoId: string) => {
    queries.setQueriesData<Pages>({ queryKey: [shelf] }, (known) => known && without(known, photoId));
  };
  const attempt = async (work: () => Promise<void>): Promise<boolean> => {
    try {
      await work();
      return true;
    } catch (error) {
      notify(sentenceOf(error));
      return false;
    }
  };

  return {
    moveToTrash: (photo: Summary) =>
      attempt(async () => {
        await photosApi.moveToTrash(photo.photoId);
        takeFrom('library', photo.photoId);
        await queries.invalidateQueries({ queryKey: ['trash'] });
      }),
    restore: (photo: Summary) =>
      attempt(async () => {
        await photosApi.restore(photo.photoId);
        takeFrom('trash', photo.photoId);
        await queries.invalidateQueries({ queryKey: ['library'] });
      }),
    deleteForGood: (photo: Summary) =>
      attempt(async () => {
        await photosApi.deleteForGood(photo.photoId);
        takeFrom('trash', photo.photoId);
      }),
    download: (photo: Summary) =>
      attempt(async () => {
        const { url } = await photosApi.downloadUrl(photo.photoId);
        const link = document.createElement('a');
        link.href = url;
        link.download = photo.filename;
        link.click();
      }),
  };
}
