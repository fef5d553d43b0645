// Copying ten thousand entries takes milliseconds, copying so many next to none.
const MOST_CHANGED = 256;

/** A map whose versions share a large base: each holds only what has changed since. */
export class Layered<K, V> implements Pick<ReadonlyMap<K, V>, 'get' | 'has' | 'size' | 'values'> {
  constructor(
    readonly base: ReadonlyMap<K, V> = new Map(),
    readonly changed: ReadonlyMap<K, V> = new Map(),
    readonly size = 0,
  ) {}

  get(key: K): V | undefined {
    return this.changed.get(key) ?? this.base.get(key);
  }

  has(key: K): boolean {
    return this.changed.has(key) || this.base.has(key);
  }

  *values(): MapIterator<V> {
    for (const [key, value] of this.base) yield this.changed.get(key) ?? value;
    for (const [key, value] of this.changed) if (!this.base.has(key)) yield value;
  }
}

/** A map under change; `before` stays as it is. No value may be undefined. */
export class LayeredDraft<K, V> implements Pick<Map<K, V>, 'get' | 'has'> {
  private base: ReadonlyMap<K, V>;
  private changed: Map<K, V>;
  private size: number;
  private touched = false;

  constructor(private readonly before: Layered<K, V>) {
    this.base = before.base;
    this.changed = before.changed as Map<K, V>; // copied before the first change
    this.size = before.size;
  }

  get(key: K): V | undefined {
    return this.changed.get(key) ?? this.base.get(key);
  }

  has(key: K): boolean {
    return this.changed.has(key) || this.base.has(key);
  }

  set(key: K, value: V): void {
    if (!this.has(key)) this.size++;
    this.own();
    this.changed.set(key, value);
  }

  deleteAll(keys: Iterable<K>): void {
    const whole = this.fold();
    for (const key of keys) whole.delete(key);
    this.base = whole;
    this.changed = new Map();
    this.size = whole.size;
    this.touched = true;
  }

  /** The new version: `before` itself where nothing has changed. */
  done(): Layered<K, V> {
    if (!this.touched) return this.before;
    if (this.changed.size <= MOST_CHANGED) return new Layered<K, V>(this.base, this.changed, this.size);
    return new Layered<K, V>(this.fold(), new Map(), this.size);
  }

  private own(): void {
    if (this.touched) return;
    this.changed = new Map(this.changed);
    this.touched = true;
  }

  private fold(): Map<K, V> {
    const whole = new Map(this.base);
    for (const [key, value] of this.changed) whole.set(key, value);
    return whole;
  }
}
