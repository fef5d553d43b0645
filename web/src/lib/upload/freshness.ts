// A PUT must have begun before its URL expires; so much earlier it is no longer used.
const MARGIN_MS = 60_000;

/**
 * Until when (Unix milliseconds) a URL that was received at `now` is to be used, by what it says of itself: `expires` of the
 * embedded store, `X-Amz-Expires` of S3. Infinity where it says nothing, or where the clock here is too wrong to tell: then
 * the store's 403 will.
 */
export function freshUntil(url: string, now: number): number {
  const seconds = /[?&]X-Amz-Expires=(\d+)/.exec(url)?.[1];
  const until =
    seconds === undefined ? Number(/[?&]expires=(\d+)/.exec(url)?.[1]) * 1_000 : now + Number(seconds) * 1_000;
  return until - MARGIN_MS > now ? until - MARGIN_MS : Infinity;
}
