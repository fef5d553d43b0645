import type { Job, Jobs, JobStatusUpdate } from '../../types/wire';
import { ApiError } from '../api/errors';
import { jitteredDelay, sleep } from '../upload/backoff';
import type { Place, Told } from './place';
import { type History, since } from './recover';

// One request at a time: a browser opens six connections to a server over HTTP/1.1, and uploads need them.
const LONG_POLL_SECONDS = 10;
const PAUSE_MS = 2_000;
// Between answers that bring news, so that a busy job comes in batches.
const BREATH_MS = 250;
const ANSWER_WITHIN_MS = 8_000;
const RETRY = { base: 1_000, cap: 5_000 };

export interface PollPorts {
  history: History;
  activeJobs: (cursor: string | undefined, signal: AbortSignal) => Promise<Jobs>;
  /** The jobs wanted, each with how far it has been seen. */
  wanted: ReadonlyMap<string, { place: Place }>;
  onTold: (jobId: string, told: Told) => void;
  onJob: (event: JobStatusUpdate) => void;
  /** A job is gone, or not the caller's. */
  onRefused: (jobId: string) => void;
  /** Whether the server could be asked. */
  onWorks: (works: boolean) => void;
}

/** What the live channel would tell, asked for: the jobs under way, and of those with news the events. */
export class Poller {
  private running: AbortController | null = null;
  private resting: AbortController | null = null;
  /** When the present pause should end. */
  private due = Infinity;

  constructor(private readonly ports: PollPorts) {}

  start(): void {
    if (this.running) return;
    this.running = new AbortController();
    void this.run(this.running.signal);
  }

  stop(): void {
    this.running?.abort();
    this.running = null;
  }

  /** Ask now: another job is wanted, or somebody looks. */
  hurry(): void {
    this.resting?.abort();
  }

  /** End a pause that should be over: timers of hidden pages run once a minute. */
  wake(): void {
    if (Date.now() >= this.due) this.hurry();
  }

  private async run(stopped: AbortSignal): Promise<void> {
    let failures = 0;
    while (!stopped.aborted) {
      // Whatever goes wrong, the next round asks again: a page that stopped asking would look like one that has no news.
      const asked = await this.round(stopped).then(
        () => true,
        () => false,
      );
      if (asked) failures = 0;
      else await this.failed(stopped, failures++);
    }
  }

  private async failed(stopped: AbortSignal, failures: number): Promise<void> {
    if (stopped.aborted) return;
    this.ports.onWorks(false);
    await this.rest(stopped, (signal) => this.pause(200 + jitteredDelay(failures, RETRY), signal));
  }

  private async round(stopped: AbortSignal): Promise<void> {
    const listed = await this.list(stopped);
    this.ports.onWorks(true);
    for (const [jobId, { place }] of [...this.ports.wanted]) {
      if ((listed.get(jobId) ?? Infinity) > place.seq) await this.ask(jobId, 0, stopped);
    }
    const [only, ...others] = this.ports.wanted.keys();
    await this.rest(stopped, async (signal) => {
      if (only !== undefined && others.length === 0) {
        await this.ask(only, LONG_POLL_SECONDS, signal);
        await this.pause(BREATH_MS, signal);
      } else {
        await this.pause(PAUSE_MS, signal);
      }
    });
  }

  /** The jobs under way, each with its last `seq`. */
  private async list(stopped: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const listed = new Map<string, number>();
    let cursor: string | undefined;
    do {
      const asked = cursor;
      const page = await inTime(stopped, ANSWER_WITHIN_MS, (signal) => this.ports.activeJobs(asked, signal));
      for (const job of page.items) {
        listed.set(job.jobId, job.seq);
        this.ports.onJob(statusOf(job));
      }
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    return listed;
  }

  private async ask(jobId: string, waitSeconds: number, stopped: AbortSignal): Promise<void> {
    const seq = this.ports.wanted.get(jobId)?.place.seq;
    if (seq === undefined) return;
    try {
      const within = waitSeconds * 1_000 + ANSWER_WITHIN_MS;
      const told = await inTime(stopped, within, (signal) =>
        since(this.ports.history, jobId, seq, waitSeconds, signal),
      );
      // What was asked for may have come by the channel meanwhile; whoever takes it leaves out what he has seen.
      if (!stopped.aborted && told.events.length > 0) this.ports.onTold(jobId, told);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      this.ports.onRefused(jobId);
    }
  }

  private async pause(ms: number, signal: AbortSignal): Promise<void> {
    this.due = Date.now() + ms;
    await sleep(ms, signal);
  }

  /** Do something that `hurry` ends early. */
  private async rest(stopped: AbortSignal, during: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const resting = new AbortController();
    const stop = () => {
      resting.abort();
    };
    if (stopped.aborted) stop();
    this.resting = resting;
    stopped.addEventListener('abort', stop, { once: true });
    try {
      await during(resting.signal);
    } catch (error) {
      if (!resting.signal.aborted) throw error;
    } finally {
      stopped.removeEventListener('abort', stop);
      this.resting = null;
      this.due = Infinity;
    }
  }
}

/** Do what ends when `stopped` does, and after `ms`: a connection that stands still is as good as none. */
async function inTime<T>(stopped: AbortSignal, ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const turn = new AbortController();
  const stop = () => {
    turn.abort(stopped.reason);
  };
  if (stopped.aborted) stop();
  stopped.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => {
    turn.abort(new DOMException('No answer in time', 'TimeoutError'));
  }, ms);
  try {
    return await work(turn.signal);
  } finally {
    clearTimeout(timer);
    stopped.removeEventListener('abort', stop);
  }
}

function statusOf({ updatedAt: timestamp, ...job }: Job): JobStatusUpdate {
  return { ...job, timestamp, status: job.status as JobStatusUpdate['status'] };
}
