/** Exponential backoff with full jitter: a wait drawn evenly from 0 to a ceiling that doubles with every attempt. */
export interface Backoff {
  /** The first ceiling in milliseconds. */
  base: number;
  /** The highest ceiling in milliseconds. */
  cap: number;
}

/** Milliseconds to wait before attempt `attempt` (0 for the first repetition). */
export function jitteredDelay(attempt: number, { base, cap }: Backoff, random: () => number = Math.random): number {
  return random() * Math.min(cap, base * 2 ** Math.min(attempt, 30));
}

/** Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); null without a valid one. */
export function retryAfter(header: string | null, now: number = Date.now()): number | null {
  if (header === null) return null;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** Resolve after `ms`; rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      if (signal) reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Why a signal was aborted, as an Error. */
export function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException('Aborted', 'AbortError');
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
