import { reasonOf } from './backoff';

interface Waiting {
  start: () => void;
  signal: AbortSignal;
}

/** One limit for all requests that send or finish uploads, first come first served; `urgent` ones go ahead. */
export class Scheduler {
  private running = 0;
  private readonly queue: Waiting[] = [];
  private readonly urgent: Waiting[] = [];

  constructor(private most: number) {}

  get active(): number {
    return this.running;
  }

  get limit(): number {
    return this.most;
  }

  /** Change the limit; what runs already is not stopped. */
  set limit(most: number) {
    this.most = Math.max(1, Math.floor(most));
    this.pump();
  }

  /** Run `work` when there is room; rejects, without running it, when `signal` is aborted before. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>, urgent = false): Promise<T> {
    await this.turn(signal, urgent ? this.urgent : this.queue);
    try {
      return await work();
    } finally {
      this.running--;
      this.pump();
    }
  }

  private turn(signal: AbortSignal, queue: Waiting[]): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal));
    if (this.running < this.most && this.urgent.length + this.queue.length === 0) {
      this.running++;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        const index = queue.indexOf(waiting);
        if (index >= 0) queue.splice(index, 1);
        reject(reasonOf(signal));
      };
      const waiting = {
        signal,
        start: () => {
          signal.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      queue.push(waiting);
      this.pump();
    });
  }

  private pump(): void {
    while (this.running < this.most) {
      const next = this.urgent.shift() ?? this.queue.shift();
      if (!next) return;
      this.running++;
      next.start();
    }
  }
}
