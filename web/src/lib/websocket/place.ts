import { isPhotoEvent, type LiveEvent } from '../../types/wire';

/** Events as they came, in order; `recovered` opens a new beginning (docs/protocol.md, E14 and E19). */
export interface Told {
  events: LiveEvent[];
  recovered?: 'replay' | 'snapshot' | undefined;
}

/**
 * How far a job's events have been seen. Whatever comes, by whichever way and however often, passes in the order of `seq`
 * without gaps, and nothing of it twice.
 */
export class Place {
  private inSnapshot = false;

  constructor(private last: number) {}

  /** The last `seq` seen: where to go on. */
  get seq(): number {
    return this.last;
  }

  /** What of it is new. `gap`: something before the rest is missing; the rest is left out, to be asked for from `seq` on. */
  take({ events, recovered }: Told): { events: LiveEvent[]; gap: boolean } {
    if (recovered !== undefined) this.inSnapshot = recovered === 'snapshot';
    const fresh: LiveEvent[] = [];
    for (const event of events) {
      const { seq } = event;
      if (this.inSnapshot) {
        if (!isPhotoEvent(event) && seq !== undefined) {
          // A snapshot ends with the job's own event (E15); only then has all before its `seq` been seen.
          this.last = seq;
          this.inSnapshot = false;
        }
      } else if (seq !== undefined) {
        if (seq <= this.last) continue;
        if (seq > this.last + 1) return { events: fresh, gap: true };
        this.last = seq;
      }
      fresh.push(event);
    }
    return { events: fresh, gap: false };
  }
}
