import type { Day } from '../../types/wire';

export interface Place {
  /** Which of the days, and which photo of it. */
  index: number;
  offset: number;
}

/** The days of a timeline, and which positions are theirs. */
export class Days {
  /** The position of each day's first photo. */
  readonly starts: readonly number[];
  readonly total: number;
  private readonly indexes: ReadonlyMap<string, number>;

  constructor(readonly list: readonly Day[]) {
    let total = 0;
    this.starts = list.map(({ count }) => (total += count) - count);
    this.total = total;
    this.indexes = new Map(list.map(({ day }, index) => [day, index]));
  }

  /** Where the photo of a position stands; null where there is none. */
  at(position: number): Place | null {
    if (position < 0 || position >= this.total) return null;
    let low = 0;
    let high = this.list.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return { index: low, offset: position - (this.starts[low] ?? 0) };
  }

  /** The position of a day's first photo; of the next older day's where it has none (any more). */
  startOf(day: string): number {
    const index = this.indexes.get(day) ?? this.list.findIndex((other) => other.day < day);
    return index < 0 ? this.total : (this.starts[index] ?? this.total);
  }

  countOf(day: string): number {
    return this.list[this.indexes.get(day) ?? -1]?.count ?? 0;
  }

  /** What stands at a position, told so that it is found again after photos came above it: from its day's end. */
  anchor(position: number): { day: string; fromEnd: number } | null {
    const place = this.at(position);
    const day = place && this.list[place.index];
    return day ? { day: day.day, fromEnd: day.count - place.offset } : null;
  }

  /** The position that an anchor has now. */
  positionOf({ day, fromEnd }: { day: string; fromEnd: number }): number {
    const count = this.countOf(day);
    return Math.max(0, Math.min(this.total - 1, this.startOf(day) + Math.max(0, count - fromEnd)));
  }
}
