import type { Day } from '../../types/wire';

/** Photos under one heading: those of a day, or of a month. */
export interface Section {
  /** `2024-05-04`, or `2024-05`. */
  key: string;
  /** How many photos are before it. */
  first: number;
  count: number;
  /** How many of them have no capture date. */
  undated: number;
  /** Its newest and its oldest day. */
  from: string;
  to: string;
}

/** One line of the grid, in pixels from its top: a heading, or photos side by side. */
export interface Row {
  kind: 'head' | 'tiles';
  section: Section;
  /** Of photos: the position of the first one, and how many; of a heading its section's. */
  first: number;
  count: number;
  top: number;
  height: number;
}

export interface Layout {
  columns: number;
  /** Width and height of a photo, pixels. */
  tile: number;
  gap: number;
  rows: Row[];
  height: number;
}

export type Grouping = 'day' | 'month';

// From this many photos a day on, days are worth a heading each; fewer stand together by month.
const WORTH_A_DAY = 6;
const FEW_DAYS = 14;
const WIDE = { from: 720, tile: 184, gap: 6, head: 64 };
const NARROW = { tile: 118, gap: 3, head: 56 };

/** Under which headings these days are shown best. */
export function groupingFor(days: readonly Day[]): Grouping {
  const count = days.reduce((sum, day) => sum + day.count, 0);
  return days.length <= FEW_DAYS || count >= days.length * WORTH_A_DAY ? 'day' : 'month';
}

/** The headings of a timeline, newest first. */
export function sectionsOf(days: readonly Day[], grouping: Grouping): Section[] {
  const sections: Section[] = [];
  let first = 0;
  for (const { day, count, undated } of days) {
    const key = grouping === 'day' ? day : day.slice(0, 7);
    const last = sections.at(-1);
    if (last?.key === key) {
      last.count += count;
      last.undated += undated;
      last.to = day;
    } else sections.push({ key, first, count, undated, from: day, to: day });
    first += count;
  }
  return sections;
}

/** Where everything stands in a grid of `width` pixels: known before any photo is. */
export function layoutOf(sections: readonly Section[], width: number): Layout {
  const { tile: target, gap, head } = width >= WIDE.from ? WIDE : NARROW;
  const columns = Math.max(3, Math.round((width + gap) / (target + gap)));
  const tile = Math.max(1, (width - gap * (columns - 1)) / columns);
  const rows: Row[] = [];
  let top = 0;
  for (const section of sections) {
    rows.push({ kind: 'head', section, first: section.first, count: section.count, top, height: head });
    top += head;
    for (let at = 0; at < section.count; at += columns) {
      const count = Math.min(columns, section.count - at);
      rows.push({ kind: 'tiles', section, first: section.first + at, count, top, height: tile + gap });
      top += tile + gap;
    }
  }
  return { columns, tile, gap, rows, height: top };
}

/** The index of the row that has this pixel from the top; of the nearest one beyond the ends, -1 where there are none. */
export function rowAt(rows: readonly Row[], y: number): number {
  return lastUpTo(rows, (row) => row.top <= y);
}

/** The index of the row of photos that has this position. */
export function rowOf(rows: readonly Row[], position: number): number {
  return lastUpTo(rows, (row) => row.first <= position);
}

/** The last of the rows, of which the first ones hold and the others do not; the first where none holds. */
function lastUpTo(rows: readonly Row[], holds: (row: Row) => boolean): number {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const row = rows[middle];
    if (row && holds(row)) low = middle;
    else high = middle - 1;
  }
  return Math.min(low, rows.length - 1);
}

/** Where a key leads from a photo, as a position; null for a key that leads nowhere. */
export function moved(layout: Layout, from: number, key: string, count: number): number | null {
  const { rows, columns } = layout;
  const at = rowOf(rows, from);
  const row = rows[at];
  if (!row || count === 0) return null;
  const column = from - row.first;
  const vertically = (direction: 1 | -1) => {
    let next = rows[at + direction];
    if (next?.kind === 'head') next = rows[at + 2 * direction];
    return next ? next.first + Math.min(column, next.count - 1) : from;
  };
  const to: Record<string, () => number> = {
    ArrowLeft: () => from - 1,
    ArrowRight: () => from + 1,
    ArrowUp: () => vertically(-1),
    ArrowDown: () => vertically(1),
    PageUp: () => from - columns * 4,
    PageDown: () => from + columns * 4,
    Home: () => 0,
    End: () => count - 1,
  };
  const wanted = to[key]?.();
  return wanted === undefined ? null : Math.max(0, Math.min(count - 1, wanted));
}
