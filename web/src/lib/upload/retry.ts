import { ApiError, CutOff, NetworkError } from '../api/errors';
import type { Backoff } from './backoff';
import { jitteredDelay, sleep } from './backoff';
import type { Connectivity } from './connectivity';

const BACKOFF: Backoff = { base: 500, cap: 20_000 };
const MOST_ATTEMPTS = 8;
// What a proxy says of a server behind it that is down or starting.
const UNREACHABLE = new Set([502, 503, 504]);
const REPEATABLE = new Set([408, 425, 429, 500, 507]);

export interface Patience {
  connectivity: Connectivity;
  signal: AbortSignal;
  /** Resolves when somebody is signed in again. */
  signedIn: (signal: AbortSignal) => Promise<void>;
  /** Called before each wait, to say in words why nothing moves; with the milliseconds where the server named the time. */
  onWait?: (reason: 'unreachable' | 'interrupted' | 'busy' | 'signed-out', ms?: number) => void;
  backoff?: Backoff;
}

/**
 * Repeat `work` until it succeeds or fails for a reason that waiting does not cure.
 *
 * There is no limit of attempts while the server cannot be reached or is starting; 408, 425, 429, 500 and 507 are
 * repeated seven times, as are network errors that happen although the server answers a probe.
 */
export async function persist<T>(work: (attempt: number) => Promise<T>, patience: Patience): Promise<T> {
  const { connectivity, signal, onWait } = patience;
  const backoff = patience.backoff ?? BACKOFF;
  let failures = 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NetworkError) {
        onWait?.(connectivity.reachable ? 'interrupted' : 'unreachable');
        const wasReachable = await reachedAtOnce(connectivity, signal, () => onWait?.('unreachable'));
        if (wasReachable && ++failures >= MOST_ATTEMPTS) throw new CutOff();
        await sleep(jitteredDelay(wasReachable ? failures : 0, backoff), signal);
      } else if (error instanceof ApiError && error.status === 401) {
        onWait?.('signed-out');
        await patience.signedIn(signal);
      } else if (error instanceof ApiError && UNREACHABLE.has(error.status)) {
        onWait?.('unreachable');
        await sleep(error.retryAfterMs ?? jitteredDelay(attempt + 1, backoff), signal);
      } else if (error instanceof ApiError && REPEATABLE.has(error.status)) {
        if (error.status !== 429 && ++failures >= MOST_ATTEMPTS) throw error;
        const wait = (error.retryAfterMs ?? 0) + jitteredDelay(failures, backoff);
        if (error.retryAfterMs === null) onWait?.('busy');
        else onWait?.('busy', wait);
        await sleep(wait, signal);
      } else {
        throw error;
      }
    }
  }
}

/** Wait until the server answers; whether it did so at the first probe, with no outage between. */
async function reachedAtOnce(connectivity: Connectivity, signal: AbortSignal, onOutage: () => void): Promise<boolean> {
  let outage = !connectivity.reachable;
  const unsubscribe = connectivity.subscribe((reachable) => {
    if (reachable) return;
    outage = true;
    onOutage();
  });
  try {
    await connectivity.restored(signal);
  } finally {
    unsubscribe();
  }
  return !outage;
}
