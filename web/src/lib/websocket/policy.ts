import { type Backoff, jitteredDelay } from '../upload/backoff';

/** A way to hold the live channel: `websocket`, or a transport of SockJS by its name there. */
export type Rung = string;

/** What to try next. */
export interface Attempt {
  rung: Rung;
  /** Milliseconds to wait before it. */
  wait: number;
  /** Milliseconds after which it counts as failed: a proxy that swallows frames gives no answer at all. */
  within: number;
  /** Every rung has failed although the server answers: only asking is left meanwhile. */
  exhausted: boolean;
}

/** A rung that does not work here, how often that was found, and until when it is believed (Unix milliseconds). */
export interface Block {
  times: number;
  until: number;
}
export type Blocks = Readonly<Record<Rung, Block>>;

// The first try comes within a second of a loss, every later one within five: as soon as the server is back, so are we.
const RETRY: Backoff = { base: 1_000, cap: 5_000 };
// While asking works there is less of a hurry.
const RETRY_EXHAUSTED: Backoff = { base: 4_000, cap: 15_000 };
const WITHIN_MS = 5_000;
const LONGEST_WITHIN_MS = 20_000;
const STABLE_MS = 10_000;
const SHORT_LIVES = 5;
const BLOCKED_MS = 10_000;
const LONGEST_BLOCKED_MS = 5 * 60_000;

/**
 * What to try next, and when: a ladder of rungs, the best first. Pure: the clock is an argument, chance is given.
 *
 * A rung is given up for the next only while the server answers plain HTTP; where it does not, the rung is not to blame.
 * What failed on the way down to a rung that works is held to be blocked for a while, and tried again from there.
 */
export class ConnectionPolicy {
  private failures = 0;
  private shortLives = 0;
  private upSince = 0;
  private readonly walk = new Set<Rung>();
  /** Rungs that carried the channel: one failure is not held against them. */
  private readonly proved = new Set<Rung>();
  private readonly blocked: Map<Rung, Block>;

  constructor(
    private readonly rungs: readonly Rung[],
    private readonly random: () => number = Math.random,
    blocks: Blocks = {},
  ) {
    this.blocked = new Map(Object.entries(blocks).filter(([rung]) => rungs.includes(rung)));
  }

  /** What is known to be blocked, to be remembered. */
  get blocks(): Blocks {
    return Object.fromEntries(this.blocked);
  }

  /** The first attempt of all; null where no rung may be tried. */
  first(now: number): Attempt | null {
    return this.rungs.length > 0 ? this.attempt(this.start(now), 0) : null;
  }

  /** A rung carries the channel. */
  connected(rung: Rung, now: number): void {
    this.upSince = now;
    this.proved.add(rung);
    for (const better of this.better(rung)) if (this.walk.has(better)) this.block(better, now);
    this.blocked.delete(rung);
    this.walk.clear();
  }

  /** An attempt came to nothing; `answers` says whether the server can be reached otherwise. */
  failed(rung: Rung, now: number, answers: boolean): Attempt {
    if (!answers) {
      this.walk.clear();
      return this.attempt(this.start(now), jitteredDelay(this.failures++, RETRY, this.random));
    }
    if (this.proved.delete(rung)) return this.attempt(rung, jitteredDelay(0, RETRY, this.random));
    this.walk.add(rung);
    const lower = this.rungs.slice(this.rungs.indexOf(rung) + 1).find((one) => !this.walk.has(one));
    if (lower !== undefined) return this.attempt(lower, 0);
    this.walk.clear();
    this.blocked.clear(); // nothing works, so nothing is known of any one
    const wait = jitteredDelay(this.failures++, RETRY_EXHAUSTED, this.random);
    return { ...this.attempt(this.start(now), wait), exhausted: true };
  }

  /** The channel broke. `told`: the server said why, so that the rung is not to blame. */
  lost(rung: Rung, now: number, told: boolean): Attempt {
    const short = now - this.upSince < STABLE_MS;
    this.failures = short ? this.failures + 1 : 0;
    this.shortLives = short && !told ? this.shortLives + 1 : 0;
    if (this.shortLives >= SHORT_LIVES && rung !== this.rungs.at(-1)) {
      this.shortLives = 0;
      this.block(rung, now);
    }
    // A first loss is tried again within a second, however short the life was.
    const wait = jitteredDelay(Math.max(0, this.failures - 1), RETRY, this.random);
    return this.attempt(this.start(now), wait);
  }

  /** From a rung that works, when to try which better one; null on the best. */
  upgrade(rung: Rung, now: number): Attempt | null {
    let soonest: Attempt | null = null;
    for (const better of this.better(rung)) {
      const wait = Math.max(0, (this.blocked.get(better)?.until ?? now) - now);
      if (!soonest || wait < soonest.wait) soonest = this.attempt(better, wait);
    }
    return soonest;
  }

  /** The better rung is blocked still. */
  upgradeFailed(rung: Rung, now: number): void {
    this.block(rung, now);
  }

  /** Another network: what was blocked may be free, and there is no reason to wait. */
  networkChanged(): void {
    this.blocked.clear();
    this.walk.clear();
    this.proved.clear();
    this.failures = 0;
  }

  private start(now: number): Rung {
    return this.rungs.find((rung) => (this.blocked.get(rung)?.until ?? 0) <= now) ?? this.rungs[0] ?? '';
  }

  private better(rung: Rung): readonly Rung[] {
    return this.rungs.slice(0, Math.max(0, this.rungs.indexOf(rung)));
  }

  private attempt(rung: Rung, wait: number): Attempt {
    const within = Math.min(LONGEST_WITHIN_MS, WITHIN_MS * 2 ** Math.min(this.failures, 10));
    return { rung, wait, within, exhausted: false };
  }

  private block(rung: Rung, now: number): void {
    const times = (this.blocked.get(rung)?.times ?? 0) + 1;
    const longest = Math.min(LONGEST_BLOCKED_MS, BLOCKED_MS * 2 ** Math.min(times - 1, 10));
    this.blocked.set(rung, { times, until: now + longest * (0.5 + this.random() / 2) });
  }
}
