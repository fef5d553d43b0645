import { ApiError, HeldBack } from '../api/errors';
import type { Backoff } from './backoff';
import { jitteredDelay, sleep } from './backoff';
import type { Connectivity } from './connectivity';
import { entryOf, Stopped, type Waiting } from './faults';

const BACKOFF: Backoff = { base: 500, cap: 20_000 };
const MOST_ATTEMPTS = 8;

export interface Patience {
  connectivity: Connectivity;
  signal: AbortSignal;
  /** Resolves when somebody is signed in again. */
  signedIn: (signal: AbortSignal) => Promise<void>;
  /** Called before each wait, to say in words why nothing moves; with the milliseconds where the server named the time. */
  onWait?: (reason: Waiting, ms?: number) => void;
  backoff?: Backoff;
}

/**
 * Repeat `work` until it succeeds or fails for a reason that waiting does not cure, as the table in faults.ts has it.
 *
 * There is no limit of attempts while the server cannot be reached, is starting, or asks for patience; its own faults are
 * repeated seven times, as are network errors that happen although the server answers a probe.
 */
export async function persist<T>(work: (attempt: number) => Promise<T>, patience: Patience): Promise<T> {
  const { connectivity, signal, onWait } = patience;
  const backoff = patience.backoff ?? BACKOFF;
  let failures = 0;
  let waits = 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      signal.throwIfAborted();
      const entry = entryOf(error);
      switch (entry?.recovery) {
        case 'reconnect': {
          const begun = !(error instanceof HeldBack);
          if (begun && entry.waiting) onWait?.(connectivity.reachable ? entry.waiting : 'unreachable');
          const reachable = await reachedAtOnce(connectivity, signal, () => onWait?.('unreachable'));
          if (!reachable) waits = 0;
          else if (begun && ++failures >= MOST_ATTEMPTS) throw new Stopped('cut-off', { cause: error });
          // Who was held back for nothing goes on at once; the scheduler lets no crowd through.
          if (begun || !reachable) await sleep(jitteredDelay(begun ? waits++ : 0, backoff), signal);
          break;
        }
        case 'sign-in':
          onWait?.('signed-out');
          await patience.signedIn(signal);
          break;
        case 'again':
        case 'wait': {
          if (entry.recovery === 'again' && ++failures >= MOST_ATTEMPTS) throw error;
          const told = error instanceof ApiError ? error.retryAfterMs : null;
          const wait = (told ?? 0) + jitteredDelay(waits++, backoff);
          if (entry.waiting) onWait?.(entry.waiting, entry.waiting === 'busy' && told !== null ? wait : undefined);
          await sleep(wait, signal);
          break;
        }
        case 'renew':
        case 'choose':
        case 'stop':
        case undefined:
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
