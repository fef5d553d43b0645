// A round is measured once its bytes are so many times what comes in at one blow, so that chance weighs little …
const GRAINS = 10;
// A doubling shows even so.
const FEW_GRAINS = 4;
const ROUND_MS = 1_000;
// … and once every request in flight has had its turn, or so much time has passed.
const LONG_ROUND_MS = 5_000;
// More in flight must bring so much of what it could bring, or it was for nothing.
const WORTH = 0.2;
const FALLEN = 0.7;
const RISEN = 1.4;
const UNHARMED = 0.95;
const FIRST = 6;
const FEWEST = 2;
// So many rounds pass between two trials of more; twice as many after each that was for nothing.
const PATIENCE = 4;
const MOST_PATIENCE = 32;
// Failures among the requests of a round that count as strain: above what is usual here, and never few by chance.
const STRAIN = 0.25;
const FEW_FAILURES = 4;

interface Round {
  since: number;
  bytes: number;
  /** The most bytes that came in at one blow. */
  grain: number;
  completed: number;
  failed: number;
  /** Whether the limit holds anybody back. */
  bound: boolean;
}

type Mode = 'growing' | 'steady' | 'shrinking';

/**
 * How many requests to have in flight, by what they bring: more while the goodput grows with them, fewer when it falls
 * or failures rise, never more than the ceiling.
 *
 * A hill climber that measures in rounds. It begins by doubling, as TCP does (RFC 5681, 3.1), until more brings no more;
 * then it rests, and tries a little more every now and then. Where the goodput falls by itself (another network), it tries
 * whether fewer carry as much. Failures halve it at once. Times are in milliseconds of any clock that does not go back.
 */
export class Concurrency {
  private mode: Mode = 'growing';
  private wanted: number;
  /** The goodput that the present number is compared with, bytes a millisecond, and the number that it was had with. */
  private reference = 0;
  private before: number;
  private round: Round;
  /** Bytes of requests that were begun under another number say nothing about this one. */
  private settling = false;
  private changedAt: number;
  private patience = PATIENCE;
  private rested = 0;
  private usualFailures = 0;

  constructor(
    private most: number,
    at: number,
  ) {
    this.wanted = Math.min(most, FIRST);
    this.before = this.wanted;
    this.changedAt = at;
    this.round = roundFrom(at);
  }

  /** How many may be in flight now. */
  get limit(): number {
    return Math.min(this.wanted, this.most);
  }

  get ceiling(): number {
    return this.most;
  }

  set ceiling(most: number) {
    // What was held down by the ceiling alone is tried anew.
    if (most > this.most && this.wanted >= this.most) this.mode = 'growing';
    this.most = most;
    if (this.mode === 'growing') this.wanted = Math.max(this.wanted, Math.min(most, FIRST));
  }

  /** `bytes` are known to have arrived. */
  arrived(bytes: number, at: number): void {
    this.round.bytes += bytes;
    this.round.grain = Math.max(this.round.grain, bytes);
    this.measure(at);
  }

  /** A request that carries bytes has ended well. */
  completed(at: number): void {
    this.round.completed++;
    this.measure(at);
  }

  /** A request that began at `since` failed in a way in which fewer at once might not have. */
  failed(since: number, at: number): void {
    if (since < this.changedAt) return; // the answer to that was given already
    this.round.failed++;
    const share = this.round.failed / (this.round.failed + this.round.completed);
    if (this.round.failed < FEW_FAILURES || share <= Math.max(STRAIN, 2 * this.usualFailures)) return;
    this.note(share);
    if (this.mode === 'growing' && this.before < this.limit) {
      this.lessOften();
      this.rest(this.before, 0, at);
    } else {
      this.change(Math.max(1, Math.floor(this.limit / 2)), at);
      this.mode = 'growing';
      this.before = this.limit;
      this.reference = 0;
    }
  }

  /** Whether the limit holds anybody back from now on. What is measured while it does not says nothing about it. */
  holdsBack(anybody: boolean, at: number): void {
    if (anybody && !this.round.bound) this.round = roundFrom(at);
    this.round.bound = anybody;
  }

  private measure(at: number): void {
    const { since, bytes, grain, completed, failed, bound } = this.round;
    if (!bound) return;
    const passed = at - since;
    const doubling = this.mode === 'growing' && (this.reference === 0 || this.limit >= 2 * this.before);
    const grains = (doubling ? FEW_GRAINS : GRAINS) / (this.settling ? 2 : 1);
    // Where twice as much should have come by now, that it has not is enough to know.
    const due = (passed * this.reference) / 2;
    if (passed < ROUND_MS || Math.max(bytes, due) < grains * grain) return;
    if (completed < this.limit && passed < LONG_ROUND_MS / (doubling || this.settling ? 2 : 1)) return;
    this.round = roundFrom(at);
    if (this.settling) {
      this.settling = false;
      return;
    }
    if (completed + failed > 0) this.note(failed / (completed + failed));
    this.judge(bytes / passed, at);
  }

  private judge(goodput: number, at: number): void {
    switch (this.mode) {
      case 'growing':
        this.judgeGrowth(goodput, at);
        break;
      case 'steady':
        this.judgeRest(goodput, at);
        break;
      case 'shrinking':
        this.judgeShrinking(goodput, at);
    }
  }

  private judgeGrowth(goodput: number, at: number): void {
    const gain = this.limit / this.before - 1;
    if (this.reference > 0 && gain > 0 && goodput < this.reference * (1 + WORTH * gain)) {
      this.lessOften();
      this.rest(this.before, this.reference, at);
      return;
    }
    if (gain > 0) this.patience = PATIENCE;
    if (this.limit === this.most) this.rest(this.limit, goodput, at);
    else this.grow(2, goodput, at);
  }

  private judgeRest(goodput: number, at: number): void {
    if (this.reference === 0) this.reference = goodput;
    if (goodput < FALLEN * this.reference) {
      this.shrink(this.limit, goodput, at);
      return;
    }
    const risen = goodput > RISEN * this.reference;
    this.reference += (goodput - this.reference) / 4;
    if (this.limit === this.most || (!risen && ++this.rested < this.patience)) return;
    this.grow(risen ? 2 : 1.25, risen ? goodput : this.reference, at);
  }

  private judgeShrinking(goodput: number, at: number): void {
    if (goodput > RISEN * this.reference) {
      this.rest(this.before, 0, at); // it had fallen for a moment only
    } else if (goodput < UNHARMED * this.reference) {
      this.rest(this.before, this.reference, at);
    } else {
      this.shrink(this.limit, Math.max(this.reference, goodput), at);
    }
  }

  private grow(factor: number, goodput: number, at: number): void {
    this.mode = 'growing';
    this.reference = goodput;
    this.before = this.limit;
    this.change(Math.min(this.most, Math.max(this.limit + 1, Math.round(this.limit * factor))), at);
  }

  /** Try fewer than `limit`, with which the goodput was as given. */
  private shrink(limit: number, goodput: number, at: number): void {
    const fewer = Math.max(FEWEST, Math.floor(limit * FALLEN));
    if (fewer >= limit) {
      this.rest(limit, goodput, at);
      return;
    }
    this.mode = 'shrinking';
    this.reference = goodput;
    this.before = limit;
    this.change(fewer, at);
  }

  private rest(limit: number, goodput: number, at: number): void {
    this.mode = 'steady';
    this.reference = goodput;
    this.rested = 0;
    this.change(limit, at);
  }

  private change(limit: number, at: number): void {
    if (limit !== this.limit) {
      this.settling = true;
      this.changedAt = at;
    }
    this.wanted = limit;
    this.round = roundFrom(at);
  }

  private lessOften(): void {
    this.patience = Math.min(MOST_PATIENCE, this.patience * 2);
  }

  private note(failures: number): void {
    this.usualFailures += (failures - this.usualFailures) / 8;
  }
}

function roundFrom(at: number): Round {
  return { since: at, bytes: 0, grain: 0, completed: 0, failed: 0, bound: true };
}
