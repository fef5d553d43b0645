import type { Day, Listing, Summary } from '../../types/wire';
import { Days } from './days';

export interface ShelfPort {
  timeline(signal: AbortSignal): Promise<{ days: Day[]; trashDays: number }>;
  /** So many photos from the newest of day `to` on, behind `page` times `size` others. */
  page(asked: { to: string; page: number; size: number }, signal: AbortSignal): Promise<Listing>;
}

interface Sight {
  first: number;
  last: number;
}

const PAGE = 100;
const AT_ONCE = 2;
// So many photos are kept, those nearest to what is in sight.
const KEPT = 2_000;
const REFRESH_EVERY_MS = 1_000;
const FRESH_MS = 60_000;

type Loaded = Map<string, (Summary | undefined)[]>;

/**
 * A library, or the trash, as far as somebody looks at it: how many photos stand on which day, and those in sight.
 *
 * Each day has its photos at their place in it, with holes where they are not known.
 */
export class Shelf {
  days: Days | null = null;
  /** How long the trash keeps what is in it. */
  trashDays = 0;
  /** What went wrong with the last request; null once one has succeeded. */
  error: unknown = null;
  /** Raised with each change. */
  version = 0;
  private loaded: Loaded = new Map();
  private fetched = new WeakMap<Summary, number>();
  private readonly sights = new Map<string, Sight>();
  private readonly under = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private closed = new AbortController();
  private refreshing: Promise<void> | null = null;
  private again: 'whole' | 'changed' | null = null;
  private outdated = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private refreshed = -Infinity;

  constructor(private readonly port: ShelfPort) {}

  /** Begin, or begin again after `close`. */
  open(): void {
    if (this.closed.signal.aborted) this.closed = new AbortController();
    this.again = 'whole';
    void this.refresh();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The photo at a position, where it is known. */
  at(position: number): Summary | undefined {
    const place = this.days?.at(position);
    return place ? this.loaded.get(this.dayAt(place.index))?.[place.offset] : undefined;
  }

  /** Where a photo stands; null where it is not among those known. */
  positionOf(photoId: string): number | null {
    for (const [day, photos] of this.loaded) {
      const offset = photos.findIndex((photo) => photo?.photoId === photoId);
      if (offset >= 0) return (this.days?.startOf(day) ?? 0) + offset;
    }
    return null;
  }

  /** One of those who look sees these positions now, or (null) nothing any more. */
  look(who: string, sight: Sight | null): void {
    if (sight) this.sights.set(who, sight);
    else this.sights.delete(who);
    this.fill();
  }

  /** Something has changed: ask anew soon. `whole`: it may be anything, not just new photos. */
  news(whole: boolean): void {
    if (whole || this.again === null) this.again = whole ? 'whole' : 'changed';
    if (this.refreshing) return;
    this.timer ??= setTimeout(
      () => {
        this.timer = undefined;
        void this.refresh();
      },
      Math.max(0, this.refreshed + REFRESH_EVERY_MS - Date.now()),
    );
  }

  /** Ask anew at once; done when what is in sight is as the server has it. */
  async refresh(whole = false): Promise<void> {
    if (whole) this.again = 'whole';
    while (this.refreshing) await this.refreshing;
    const how = this.again ?? 'changed';
    this.again = null;
    this.refreshed = Date.now();
    this.refreshing = this.renew(how === 'whole').finally(() => {
      this.refreshing = null;
      if (this.again) this.news(this.again === 'whole');
    });
    await this.refreshing;
  }

  /** A photo's URLs no longer work: fetch it again, unless that was just done. */
  expired(photo: Summary): void {
    const since = this.fetched.get(photo) ?? 0;
    const known = this.loaded.get(photo.day);
    const at = known?.indexOf(photo) ?? -1;
    if (!known || at < 0 || Date.now() - since < FRESH_MS) return;
    known[at] = undefined;
    this.fill();
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.closed.abort();
  }

  private dayAt(index: number): string {
    return this.days?.list[index]?.day ?? '';
  }

  /** A new timeline, with what is in sight by it: shown at once, so that nothing is empty in between. */
  private async renew(whole: boolean): Promise<void> {
    const { signal } = this.closed;
    try {
      const timeline = await this.port.timeline(signal);
      const days = new Days(timeline.days);
      const loaded: Loaded = new Map();
      if (!whole)
        for (const [day, photos] of this.loaded)
          if (days.countOf(day) === this.days?.countOf(day)) loaded.set(day, photos);
      const before = this.days;
      const sights = [...this.sights].map(([who, seen]) => ({
        who,
        seen,
        sight: before ? shifted(seen, before, days) : seen,
      }));
      // A page that is told otherwise than the timeline has it is not asked for twice: another round brings order.
      const asked = new Set<string>();
      for (const { sight } of sights)
        for (let wanted = missing(days, loaded, sight, asked); wanted; wanted = missing(days, loaded, sight, asked)) {
          asked.add(nameOf(wanted));
          await this.fetch(days, loaded, wanted);
        }
      if (signal.aborted) return;
      // Somebody may have looked elsewhere meanwhile.
      for (const { who, seen, sight } of sights) if (this.sights.get(who) === seen) this.sights.set(who, sight);
      this.days = days;
      this.trashDays = timeline.trashDays;
      this.loaded = loaded;
      this.outdated = false;
      this.error = null;
    } catch (error) {
      if (signal.aborted) return;
      this.error = error;
    }
    this.changed();
    this.fill();
  }

  /** Fetch what is in sight and not known. As one scrolls on, only the newest sight counts. */
  private fill(): void {
    const { days, loaded } = this;
    if (!days || this.closed.signal.aborted || this.error !== null || this.outdated) return;
    for (const sight of this.sights.values())
      while (this.under.size < AT_ONCE) {
        const wanted = missing(days, loaded, sight, this.under);
        if (!wanted) break;
        void this.load(days, loaded, wanted);
      }
  }

  private async load(days: Days, loaded: Loaded, wanted: Wanted): Promise<void> {
    const { signal } = this.closed;
    const name = nameOf(wanted);
    this.under.add(name);
    try {
      await this.fetch(days, loaded, wanted);
    } catch (error) {
      if (!signal.aborted) this.error = error;
    } finally {
      this.under.delete(name);
    }
    if (signal.aborted) return;
    this.forget();
    this.changed();
    this.fill();
  }

  private async fetch(days: Days, loaded: Loaded, wanted: Wanted): Promise<void> {
    const { items } = await this.port.page({ ...wanted, size: PAGE }, this.closed.signal);
    const now = Date.now();
    let day = wanted.to;
    let offset = wanted.page * PAGE;
    let asCounted = items.length === Math.min(PAGE, days.total - days.startOf(day) - offset);
    for (const item of items) {
      if (item.day !== day) {
        asCounted &&= offset === days.countOf(day);
        [day, offset] = [item.day, 0];
      }
      const count = days.countOf(day);
      asCounted &&= offset < count;
      if (offset >= count) continue;
      let photos = loaded.get(day);
      if (!photos) loaded.set(day, (photos = new Array<Summary | undefined>(count).fill(undefined)));
      const known = photos[offset];
      // What is the same stays the same: its tile is not drawn anew.
      const same = known?.photoId === item.photoId && known.thumbnailUrl === item.thumbnailUrl;
      const kept = same ? known : item;
      photos[offset++] = kept;
      this.fetched.set(kept, now);
    }
    if (asCounted) return;
    // Photos came or went meanwhile: what is missing is not asked for again before it is known where it is.
    this.outdated = true;
    this.news(true);
  }

  /** Keep what is near, so that a long way through a large library does not fill the memory. */
  private forget(): void {
    const { days } = this;
    const sights = [...this.sights.values()];
    if (!days || sights.length === 0) return;
    let known = 0;
    for (const photos of this.loaded.values()) known += photos.length;
    if (known <= KEPT) return;
    for (const [day, photos] of this.loaded) {
      const start = days.startOf(day);
      const near = (position: number) =>
        sights.some(({ first, last }) => position > first - KEPT / 2 && position < last + KEPT / 2);
      if (photos.length <= PAGE) {
        if (!near(start) && !near(start + photos.length - 1)) this.loaded.delete(day);
        continue;
      }
      photos.forEach((photo, offset) => {
        if (photo && !near(start + offset)) photos[offset] = undefined;
      });
      if (!photos.some(Boolean)) this.loaded.delete(day);
    }
  }

  private changed(): void {
    this.version++;
    for (const listener of this.listeners) listener();
  }
}

interface Wanted {
  to: string;
  page: number;
}

const nameOf = ({ to, page }: Wanted) => `${to} ${page}`;

/** The page to ask for next, so that a sight becomes whole: of its first hole that nobody asks for yet. */
function missing(days: Days, loaded: Loaded, { first, last }: Sight, under?: ReadonlySet<string>): Wanted | null {
  for (let position = Math.max(0, first); position <= last; position++) {
    const place = days.at(position);
    const day = place && days.list[place.index];
    if (!day) return null;
    if (loaded.get(day.day)?.[place.offset]) continue;
    const wanted = { to: day.day, page: Math.floor(place.offset / PAGE) };
    if (!under?.has(nameOf(wanted))) return wanted;
    position += PAGE - 1 - (place.offset % PAGE);
  }
  return null;
}

/** The positions that a sight has by another timeline, with what was first in it staying first. */
function shifted({ first, last }: Sight, before: Days, after: Days): Sight {
  const anchor = before.anchor(Math.max(0, first));
  // At the very top one looks for what is new.
  const begin = anchor && first > 0 ? after.positionOf(anchor) : 0;
  return { first: begin, last: begin + last - first };
}
