import { jitteredDelay, reasonOf, sleep } from './backoff';

const PROBE_EVERY = { base: 500, cap: 5_000 };

/**
 * Whether the server can be reached, found out by those who fail to. Whoever meets a network error calls `restored`
 * and goes on when it resolves: all wait on one probe, however many they are and however long it takes.
 */
export class Connectivity {
  private probing: Promise<void> | null = null;
  private up = true;
  private complaints = 0;
  private readonly listeners = new Set<(reachable: boolean) => void>();

  /** `probe` resolves to whether the server answers; `network` fires `online` when it is worth asking again at once. */
  constructor(
    private readonly probe: () => Promise<boolean>,
    private readonly network: EventTarget = new EventTarget(),
  ) {}

  get reachable(): boolean {
    return this.up;
  }

  /**
   * Whether a request would likely be wasted: the server is out of reach, or it is being asked whether it is because more
   * than one request broke off. One alone is a thing that networks do.
   */
  get doubtful(): boolean {
    return !this.up || this.complaints > 1;
  }

  /** Be told of every change. */
  subscribe(listener: (reachable: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Resolves once the server answers; rejects when `signal` is aborted. */
  restored(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal));
    this.complaints++;
    this.probing ??= this.untilReachable().finally(() => {
      this.probing = null;
      this.complaints = 0;
      this.tell(true);
    });
    const { probing } = this;
    return new Promise((resolve, reject) => {
      const stop = () => {
        reject(reasonOf(signal));
      };
      signal.addEventListener('abort', stop, { once: true });
      void probing.then(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
    });
  }

  private async untilReachable(): Promise<void> {
    // The first probe goes without a word: one broken connection is no outage.
    if (await this.probe()) return;
    this.tell(false);
    for (let attempt = 0; ; attempt++) {
      await this.pause(200 + jitteredDelay(attempt, PROBE_EVERY));
      if (await this.probe()) return;
    }
  }

  /** A wait that the browser's `online` event cuts short. */
  private async pause(ms: number): Promise<void> {
    const online = new AbortController();
    const wake = () => {
      online.abort();
    };
    this.network.addEventListener('online', wake, { once: true });
    await sleep(ms, online.signal).catch((error: unknown) => {
      if (!online.signal.aborted) throw error;
    });
    this.network.removeEventListener('online', wake);
  }

  private tell(reachable: boolean): void {
    if (reachable === this.up) return;
    this.up = reachable;
    for (const listener of this.listeners) listener(reachable);
  }
}
