import { canRetry, type Group, groupOf, type PhotoRow } from './rows';

export interface Totals {
  /** Bytes of the rows that are under way or completed, and how many of them were sent. */
  bytes: number;
  bytesSent: number;
  /** Sum of the rows' weights and of weight times percent in tenths: a row weighs its bytes, at least one. */
  weight: number;
  work: number;
}

/** Rows summed up, those of a job or all. Kept with every change: nobody has to look at ten thousand rows again. */
export interface Tally {
  readonly counts: Readonly<Record<Group, number>>;
  readonly totals: Readonly<Totals>;
  /** How many of them this page could pause, has paused, and could try again. */
  readonly sending: number;
  readonly paused: number;
  readonly retryable: number;
  /** Bytes a second that this page sends. */
  readonly speed: number;
}

export const NOTHING: Tally = {
  counts: { active: 0, completed: 0, failed: 0, cancelled: 0 },
  totals: { bytes: 0, bytesSent: 0, weight: 0, work: 0 },
  sending: 0,
  paused: 0,
  retryable: 0,
  speed: 0,
};

/** A tally under change. */
export class TallyDraft {
  private readonly counts: Record<Group, number>;
  private readonly totals: Totals;
  private sending: number;
  private paused: number;
  private retryable: number;
  private speed: number;

  constructor(before: Tally) {
    ({ sending: this.sending, paused: this.paused, retryable: this.retryable, speed: this.speed } = before);
    this.counts = { ...before.counts };
    this.totals = { ...before.totals };
  }

  /** Count a row in (1) or out (-1). */
  count(row: PhotoRow, sign: 1 | -1): void {
    const group = groupOf(row);
    this.counts[group] += sign;
    this.speed += sign * Math.round(row.speed);
    if (canRetry(row)) this.retryable += sign;
    if (awaited(row) && row.phase === 'paused') this.paused += sign;
    else if (pausable(row)) this.sending += sign;
    if (group === 'cancelled') return; // nothing more is expected of it
    const weight = Math.max(row.bytes, 1);
    if (group !== 'failed') {
      this.totals.bytes += sign * row.bytes;
      this.totals.bytesSent += sign * row.bytesSent;
    }
    this.totals.weight += sign * weight;
    // In tenths, which are whole: a sum that is added to and taken from must not drift. Nothing is left to do for one that
    // has failed, as the server counts it too.
    this.totals.work += sign * weight * (group === 'failed' ? 1000 : Math.round(row.percent * 10));
  }

  done(): Tally {
    const { counts, totals, sending, paused, retryable, speed } = this;
    return { counts, totals, sending, paused, retryable, speed };
  }
}

function awaited({ status }: PhotoRow): boolean {
  return status === 'QUEUED' || status === 'UPLOADING';
}

function pausable(row: PhotoRow): boolean {
  return awaited(row) && row.phase !== null && row.phase !== 'failed' && row.phase !== 'cancelling';
}
