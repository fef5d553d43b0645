import type { Listing, Summary } from '../../types/wire';

/** Pages of the library as TanStack Query keeps them. */
export interface Pages {
  pages: Listing[];
  pageParams: unknown[];
}

/** Newest first, as the server lists them. */
function newerFirst(a: Summary, b: Summary): number {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.photoId < b.photoId ? 1 : a.photoId > b.photoId ? -1 : 0;
}

/**
 * The pages with a fresh first page merged in: new photos come to their place, known ones keep theirs.
 *
 * Null where the fresh page does not reach down to what is known, so that a gap would be left.
 */
export function mergeNewest(known: Pages, fresh: Listing): Pages | null {
  const [first, ...rest] = known.pages;
  if (!first) return null;
  const old = first.items.at(0);
  const reaches = fresh.items.some((item) => item.photoId === old?.photoId) || !fresh.nextCursor;
  if (!reaches) return null;
  const freshIds = new Set(fresh.items.map((item) => item.photoId));
  const later = new Set(rest.flatMap((page) => page.items.map((item) => item.photoId)));
  const items = [
    ...fresh.items.filter((item) => !later.has(item.photoId)),
    ...first.items.filter((item) => !freshIds.has(item.photoId)),
  ].sort(newerFirst);
  const counted = { totalElements: fresh.totalElements, totalPages: fresh.totalPages };
  // A first page that was the only one knows no end: the fresh one does.
  const nextCursor = rest.length === 0 && first.items.length === 0 ? fresh.nextCursor : first.nextCursor;
  const merged: Listing = { ...first, ...counted, items };
  if (nextCursor === undefined) delete merged.nextCursor;
  else merged.nextCursor = nextCursor;
  return { ...known, pages: [merged, ...rest.map((page) => ({ ...page, ...counted }))] };
}

/** The pages without this photo. */
export function without(known: Pages, photoId: string): Pages {
  const had = known.pages.some((page) => page.items.some((item) => item.photoId === photoId));
  if (!had) return known;
  return {
    ...known,
    pages: known.pages.map((page) => ({
      ...page,
      items: page.items.filter((item) => item.photoId !== photoId),
      totalElements: page.totalElements - 1,
    })),
  };
}
