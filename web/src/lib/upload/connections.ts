// Browsers open six connections to a host over HTTP/1.1; what is asked beyond them waits inside the browser.
const CONNECTIONS = 6;

/**
 * How many uploads may be under way at once, given the person's `limit` and where the bytes go.
 *
 * Where they go to the page's own server over HTTP/1.1, one connection is left free, or commands and thumbnails would
 * wait behind all the uploads, and `taken` more that something else holds open. Another server has all six, where its URLs
 * are of `http:`: HTTP/2 is spoken over TLS alone. Of one over TLS nobody says what it speaks; there, and over HTTP/2 and
 * later, the limit is the person's, and how many are worth having is found by trying (concurrency.ts).
 */
export function usefulLimit(limit: number, uploadUrl: string, apiOrigin: string, protocol: string, taken = 0): number {
  const target = new URL(uploadUrl, apiOrigin);
  if (target.origin !== apiOrigin) return target.protocol === 'http:' ? Math.min(limit, CONNECTIONS) : limit;
  const oneByOne = protocol === '' || protocol.startsWith('http/1');
  return oneByOne ? Math.min(limit, CONNECTIONS - 1 - taken) : limit;
}

/** The protocol that `origin` was last reached by, as in RFC 7301 (`h2`, `http/1.1`); empty where it is hidden. */
export function protocolOf(origin: string): string {
  const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const there = entries.filter((entry) => entry.name.startsWith(`${origin}/`)) as PerformanceResourceTiming[];
  return there.findLast((entry) => entry.nextHopProtocol !== '')?.nextHopProtocol ?? '';
}
