/** What a lineup must know of those in it. */
export interface Waiting {
  /** Its file goes in parts, several at once. */
  inParts: boolean;
}

/**
 * Who is to be sent next. Those that a person moved to the front come first. Otherwise large files, which have many requests
 * each, may be a quarter of those under way as long as small ones wait, and at least one: neither keeps the other waiting.
 */
export class Lineup<T extends Waiting> {
  private readonly front = new Set<T>();
  private readonly whole = new Set<T>();
  private readonly inParts = new Set<T>();

  get size(): number {
    return this.front.size + this.whole.size + this.inParts.size;
  }

  /** Put it in line, behind those of its kind. */
  add(one: T): void {
    (one.inParts ? this.inParts : this.whole).add(one);
  }

  /** Put it behind those that are at the front already, before all others. */
  addToFront(one: T): void {
    this.delete(one);
    this.front.add(one);
  }

  delete(one: T): void {
    for (const line of [this.front, this.whole, this.inParts]) line.delete(one);
  }

  /** Take the next of those at the front out of the line. */
  takeFront(): T | undefined {
    return take(this.front);
  }

  /** Take the next out of the line, while `large` that go in parts are under way and `limit` may be in all. */
  take(large: number, limit: number): T | undefined {
    const due = this.whole.size === 0 || large < Math.max(1, Math.floor(limit / 4));
    return take(this.front) ?? (due ? take(this.inParts) : undefined) ?? take(this.whole);
  }
}

function take<T>(line: Set<T>): T | undefined {
  const [first] = line;
  if (first !== undefined) line.delete(first);
  return first;
}
