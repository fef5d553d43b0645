import type { LiveEvent } from '../../types/wire';
import { ApiError } from '../api/errors';
import { jitteredDelay, sleep } from '../upload/backoff';
import { Place, type Told } from './place';

const RETRY = { base: 1_000, cap: 5_000 };
// More than so many messages are asked for again instead of being held.
const MOST_HELD = 256;

export interface PursuitPorts {
  /** What came after `seq`, over HTTP. */
  since: (seq: number, signal: AbortSignal) => Promise<Told>;
  onEvents: (events: LiveEvent[]) => void;
  /** The job is gone, or not the caller's. */
  onRefused: () => void;
}

/**
 * One tab's way through the events of a job. What the leading tab tells passes at once; where it is further than this tab,
 * as for one that came late, what is missing is fetched first and the rest held back until then.
 */
export class Pursuit {
  private readonly place: Place;
  private held: Told[] = [];
  private catching = false;
  private overflown = false;
  private readonly ended = new AbortController();

  constructor(
    seq: number,
    private readonly ports: PursuitPorts,
  ) {
    this.place = new Place(seq);
  }

  get seq(): number {
    return this.place.seq;
  }

  /** The events that come from now on are those after `seq`. */
  at(seq: number): void {
    if (seq > this.place.seq && !this.catching) void this.catchUp();
  }

  told(told: Told): void {
    if (!this.catching) this.pass(told);
    else if (this.held.push(told) > MOST_HELD) {
      this.held = [];
      this.overflown = true;
    }
  }

  stop(): void {
    this.ended.abort();
  }

  private pass(told: Told): void {
    const { events, gap } = this.place.take(told);
    if (events.length > 0) this.ports.onEvents(events);
    if (gap && !this.catching) void this.catchUp();
  }

  private async catchUp(): Promise<void> {
    const { signal } = this.ended;
    this.catching = true;
    for (let failures = 0; !signal.aborted;) {
      try {
        const missing = await this.ports.since(this.place.seq, signal);
        if (this.stopped()) return;
        this.pass(missing);
        if (this.overflown) {
          this.overflown = false;
          continue;
        }
        this.catching = false;
        for (const told of this.held.splice(0)) this.told(told); // a gap among them begins anew, and holds the rest
        return;
      } catch (error) {
        if (this.stopped()) return;
        if (error instanceof ApiError && error.status === 404) {
          this.ports.onRefused();
          return;
        }
        await sleep(jitteredDelay(failures++, RETRY), signal).catch(() => undefined);
      }
    }
  }

  private stopped(): boolean {
    return this.ended.signal.aborted;
  }
}
