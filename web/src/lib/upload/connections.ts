// Browsers open six connections to a host over HTTP/1.1; what is asked beyond them waits inside the browser.
const CONNECTIONS = 6;

/**
 * How many uploads to have under way at once, given the person's `limit` and where the bytes go.
 *
 * Where they go to the page's own server over HTTP/1.1, one connection is left free, or commands and thumbnails would
 * wait behind all the uploads, and `taken` more that something else holds open. Elsewhere, and over HTTP/2 and later, the
 * limit is the person's alone.
 */
export function usefulLimit(limit: number, uploadUrl: string, apiOrigin: string, protocol: string, taken = 0): number {
  const sameServer = new URL(uploadUrl, apiOrigin).origin === apiOrigin;
  const oneByOne = protocol === '' || protocol.startsWith('http/1');
  return sameServer && oneByOne ? Math.min(limit, CONNECTIONS - 1 - taken) : limit;
}

/** The protocol that `origin` was last reached by, as in RFC 7301 (`h2`, `http/1.1`); empty where it is hidden. */
export function protocolOf(origin: string): string {
  const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
  const there = entries.filter((entry) => entry.name.startsWith(`${origin}/`)) as PerformanceResourceTiming[];
  return there.findLast((entry) => entry.nextHopProtocol !== '')?.nextHopProtocol ?? '';
}
