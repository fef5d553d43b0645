import { Allowance } from './allowance';
import { reasonOf } from './backoff';
import { Concurrency } from './concurrency';
import { entryOf } from './faults';

// Commands may use one connection more than bytes: sealing a photo sends next to nothing, and should hold no bytes back.
const SPARE = 1;

/** One photo's requests among those of all others: each photo gets as many turns as any other. */
export class Lane {
  /** Before all lanes that are not. */
  favoured = false;
  running = 0;
  readonly waiting = new Set<Waiting>();
}

interface Waiting {
  start: () => void;
  bytes: number;
}

/** A request that carries bytes, for which it waits in its lane. */
export interface Load {
  lane: Lane;
  bytes: number;
}

/** To be told how many bytes of a request were handed to the network. */
export type Handed = (bytes: number) => void;

/**
 * One limit for all requests that send or finish uploads. Commands go ahead of bytes; of these, the lane has its turn that
 * has the fewest under way. How many go at once is found by `concurrency`, how many bytes a second by `allowance`.
 */
export class Scheduler {
  private running = 0;
  private readonly commands = new Set<Waiting>();
  /** Lanes in which something waits; that which had its turn last is the last. */
  private readonly lanes = new Set<Lane>();
  private readonly concurrency: Concurrency;
  private readonly allowance = new Allowance();
  private readonly listeners = new Set<(limit: number) => void>();
  private told: number;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `most` at once; `now` is a clock in milliseconds that does not go back. */
  constructor(
    most: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.concurrency = new Concurrency(most, now());
    this.told = this.limit;
  }

  get active(): number {
    return this.running;
  }

  /** How many may go at once now. */
  get limit(): number {
    return this.concurrency.limit;
  }

  /** Never more than so many at once; what runs already is not stopped. */
  set ceiling(most: number) {
    this.concurrency.ceiling = Math.max(1, Math.floor(most));
    this.pump();
  }

  /** So many bytes a second, null for as many as go. */
  set bandwidth(bytesPerSecond: number | null) {
    this.allowance.allow(bytesPerSecond, this.now());
    this.pump();
  }

  /** Be told whenever the limit has changed. */
  subscribe(listener: (limit: number) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Run a command when there is room; rejects, without running it, when `signal` is aborted before. */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.turn(signal, this.commands, 0);
    try {
      return await work();
    } finally {
      this.running--;
      this.pump();
    }
  }

  /** Run what sends bytes when it is its lane's turn; rejects likewise. */
  async carry<T>(signal: AbortSignal, { lane, bytes }: Load, work: (handed: Handed) => Promise<T>): Promise<T> {
    const turn = this.turn(signal, lane.waiting, bytes, lane);
    await turn;
    const since = this.now();
    let arrived = 0;
    const arrive = (until: number) => {
      if (until > arrived) this.concurrency.arrived(until - arrived, this.now());
      arrived = Math.max(arrived, until);
    };
    try {
      // What a system takes over at once comes in at every beginning alike; only where more begin than end it deceives, and
      // that is while the limit settles.
      const done = await work(arrive);
      arrive(bytes);
      this.concurrency.completed(this.now());
      return done;
    } catch (error) {
      if (entryOf(error)?.strain) this.concurrency.failed(since, this.now());
      throw error;
    } finally {
      this.running--;
      lane.running--;
      this.pump();
    }
  }

  private turn(signal: AbortSignal, queue: Set<Waiting>, bytes: number, lane?: Lane): Promise<void> {
    if (signal.aborted) return Promise.reject(reasonOf(signal));
    return new Promise((resolve, reject) => {
      const leave = () => {
        queue.delete(waiting);
        if (lane?.waiting.size === 0) this.lanes.delete(lane);
        reject(reasonOf(signal));
      };
      const waiting = {
        bytes,
        start: () => {
          queue.delete(waiting);
          signal.removeEventListener('abort', leave);
          this.running++;
          resolve();
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      queue.add(waiting);
      if (lane) this.lanes.add(lane);
      this.pump();
    });
  }

  private pump(): void {
    const { limit } = this;
    while (this.running < limit + SPARE) {
      const [command] = this.commands;
      if (!command) break;
      command.start();
    }
    let lane = this.next();
    for (; lane && this.running < limit && this.affordable(); lane = this.next()) this.serve(lane);
    this.concurrency.holdsBack(lane !== undefined && this.running >= limit, this.now());
    if (limit === this.told) return;
    this.told = limit;
    for (const listener of this.listeners) listener(limit);
  }

  private serve(lane: Lane): void {
    const [waiting] = lane.waiting;
    if (!waiting) return;
    waiting.start();
    lane.running++;
    this.allowance.spend(waiting.bytes, this.now());
    this.lanes.delete(lane);
    if (lane.waiting.size > 0) this.lanes.add(lane);
  }

  private next(): Lane | undefined {
    let next: Lane | undefined;
    for (const lane of this.lanes) {
      const before = next && (lane.favoured === next.favoured ? lane.running < next.running : lane.favoured);
      if (!next || before) next = lane;
    }
    return next;
  }

  /** Whether bytes may be sent now; where they may not, the queue moves on as soon as they may. */
  private affordable(): boolean {
    const wait = this.allowance.wait(this.now());
    clearTimeout(this.timer);
    if (wait <= 0) return true;
    this.timer = setTimeout(() => {
      this.pump();
    }, Math.ceil(wait));
    return false;
  }
}
