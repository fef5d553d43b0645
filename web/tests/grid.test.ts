import { describe, expect, it } from 'vitest';
import { Days } from '../src/lib/photos/days';
import { sectionTitle, undatedText } from '../src/lib/photos/headings';
import { groupingFor, layoutOf, moved, rowAt, rowOf, sectionsOf } from '../src/lib/photos/layout';
import { between, extended, flipped, NONE, pieces, toggled, without } from '../src/lib/photos/selection';
import { fitted, kept, mostScale, WHOLE, zoomed } from '../src/lib/photos/zoom';

const DAYS = [
  { day: '2024-06-02', count: 7, undated: 1 },
  { day: '2024-06-01', count: 1, undated: 0 },
  { day: '2024-05-31', count: 12, undated: 0 },
];

describe('sections', () => {
  it('stand by day or by month, and know what is before them', () => {
    expect(sectionsOf(DAYS, 'day').map(({ key, first, count }) => [key, first, count])).toEqual([
      ['2024-06-02', 0, 7],
      ['2024-06-01', 7, 1],
      ['2024-05-31', 8, 12],
    ]);
    expect(sectionsOf(DAYS, 'month')).toEqual([
      { key: '2024-06', first: 0, count: 8, undated: 1, from: '2024-06-02', to: '2024-06-01' },
      { key: '2024-05', first: 8, count: 12, undated: 0, from: '2024-05-31', to: '2024-05-31' },
    ]);
  });

  it('stand by month where days have little each', () => {
    const sparse = Array.from({ length: 400 }, (_, n) => ({ day: String(n), count: 2, undated: 0 }));
    expect(groupingFor(sparse)).toBe('month');
    expect(groupingFor(sparse.slice(0, 10))).toBe('day');
    expect(groupingFor(sparse.map((day) => ({ ...day, count: 40 })))).toBe('day');
    expect(groupingFor([])).toBe('day');
  });

  it('say in words when they are, how long the trash keeps them, and what stands by its arrival', () => {
    expect(sectionTitle('2024-05-04', 'library', 30, 0)).toEqual({ title: 'Saturday, May 4, 2024', note: null });
    expect(sectionTitle('2024-05', 'library', 30, 0).title).toBe('May 2024');
    const now = Date.parse('2024-06-02T12:00:00Z');
    expect(sectionTitle('2024-05-04', 'trash', 30, now).note).toBe('1 day left');
    expect(sectionTitle('2024-06-02', 'trash', 30, now).note).toBe('30 days left');
    const [some, none] = sectionsOf(DAYS, 'day');
    expect(some && undatedText(some)).toBe('1 of them has no capture date and stands by its arrival');
    expect(none && undatedText(none)).toBeNull();
    expect(some && undatedText({ ...some, undated: 7 })).toBe('no capture date, by date of arrival');
  });
});

describe('layout', () => {
  const layout = layoutOf(sectionsOf(DAYS, 'day'), 1_000);

  it('gives every photo its place, in squares that fill the width', () => {
    expect(layout.columns).toBe(5);
    expect(layout.tile * 5 + layout.gap * 4).toBeCloseTo(1_000);
    const tiles = layout.rows.filter(({ kind }) => kind === 'tiles');
    expect(tiles.map(({ first, count }) => [first, count])).toEqual([
      [0, 5],
      [5, 2],
      [7, 1],
      [8, 5],
      [13, 5],
      [18, 2],
    ]);
    layout.rows.forEach((row, index) => {
      expect(layout.rows[index + 1]?.top ?? layout.height).toBeCloseTo(row.top + row.height);
    });
  });

  it('has three photos side by side on the narrowest phone', () => {
    expect(layoutOf([], 320).columns).toBe(3);
  });

  it('finds rows by pixel and by position', () => {
    layout.rows.forEach((row, index) => {
      expect(rowAt(layout.rows, row.top + row.height / 2)).toBe(index);
      if (row.kind === 'tiles')
        for (let at = 0; at < row.count; at++) expect(rowOf(layout.rows, row.first + at)).toBe(index);
    });
    expect(rowAt(layout.rows, -50)).toBe(0);
    expect(rowAt(layout.rows, 1e9)).toBe(layout.rows.length - 1);
    expect(rowAt([], 0)).toBe(-1);
  });

  it('moves by keys, over headings and to shorter rows, and not beyond the ends', () => {
    const go = (from: number, key: string) => moved(layout, from, key, 20);
    expect([go(0, 'ArrowLeft'), go(4, 'ArrowRight'), go(19, 'ArrowRight')]).toEqual([0, 5, 19]);
    expect([go(4, 'ArrowDown'), go(6, 'ArrowDown'), go(7, 'ArrowDown'), go(19, 'ArrowDown')]).toEqual([6, 7, 8, 19]);
    expect([go(2, 'ArrowUp'), go(9, 'ArrowUp'), go(14, 'ArrowUp')]).toEqual([2, 7, 9]);
    expect([go(9, 'Home'), go(9, 'End'), go(0, 'PageDown'), go(9, 'PageUp')]).toEqual([0, 19, 19, 0]);
    expect([go(9, 'x'), moved(layoutOf([], 9), 0, 'End', 0)]).toEqual([null, null]);
  });

  it('is reckoned for a hundred thousand photos in no time', () => {
    const many = Array.from({ length: 3_000 }, (_, n) => ({ day: `d${n}`, count: 33, undated: 0 }));
    const begun = performance.now();
    expect(layoutOf(sectionsOf(many, 'day'), 1_864).rows.length).toBeGreaterThan(12_000);
    expect(performance.now() - begun).toBeLessThan(200);
  });
});

describe('days', () => {
  const days = new Days(DAYS);

  it('know which photo stands where', () => {
    expect(days.total).toBe(20);
    expect([0, 6, 7, 8, 19].map((position) => days.at(position))).toEqual([
      { index: 0, offset: 0 },
      { index: 0, offset: 6 },
      { index: 1, offset: 0 },
      { index: 2, offset: 0 },
      { index: 2, offset: 11 },
    ]);
    expect([days.at(-1), days.at(20), new Days([]).at(0)]).toEqual([null, null, null]);
    expect([days.startOf('2024-06-01'), days.startOf('2024-05-31'), days.startOf('2020-01-01')]).toEqual([7, 8, 20]);
  });

  it('find a place again after photos came above it, or went', () => {
    const anchor = days.anchor(10);
    const more = new Days([
      { day: '2025-01-01', count: 3, undated: 0 },
      { ...DAYS[0], count: 9 } as never,
      DAYS[2] as never,
    ]);
    expect(anchor && more.positionOf(anchor)).toBe(14);
    const newer = new Days([{ ...DAYS[2], count: 15 } as never]);
    expect(anchor && newer.positionOf(anchor)).toBe(5);
    expect(anchor && new Days([DAYS[0] as never]).positionOf(anchor)).toBe(6);
  });
});

describe('selection', () => {
  it('takes one more and one less, and remembers from where a range reaches', () => {
    const one = toggled(NONE, 'a', 3);
    expect([[...one.ids], one.anchor]).toEqual([['a'], { photoId: 'a', position: 3 }]);
    expect([...toggled(one, 'a', 3).ids]).toEqual([]);
    expect(extended(one, ['b', 'c']).anchor).toEqual(one.anchor);
    expect(without(extended(one, ['b']), ['a'])).toEqual({ ids: new Set(['b']), anchor: null });
  });

  it('takes all of a day, and none where all were taken', () => {
    const all = flipped(toggled(NONE, 'x', 0), ['a', 'b']);
    expect([...all.ids]).toEqual(['x', 'a', 'b']);
    expect([...flipped(all, ['a', 'b']).ids]).toEqual(['x']);
  });

  it('reaches from one photo to another, whichever comes first', () => {
    const ids = ['a', 'b', 'c', 'd'];
    expect(between(ids, 'd', 'b')).toEqual(['b', 'c', 'd']);
    expect(between(ids, 'b', 'b')).toEqual(['b']);
    expect(between(ids, 'b', 'gone')).toEqual([]);
    expect(pieces(ids, 3)).toEqual([['a', 'b', 'c'], ['d']]);
    expect(pieces([], 3)).toEqual([]);
  });
});

describe('zoom', () => {
  const stage = { width: 1_000, height: 800 };
  const picture = { width: 4_000, height: 3_000 };
  const fit = fitted(picture, stage);

  it('begins with the whole picture, and does not blow up a small one', () => {
    expect(fit).toEqual({ width: 1_000, height: 750 });
    expect(fitted({ width: 200, height: 100 }, stage)).toEqual({ width: 200, height: 100 });
    expect(mostScale(picture, fit)).toBe(16);
  });

  it('keeps the point under the pointer where it is', () => {
    const point = { x: 120, y: -60 };
    const view = zoomed({ scale: 2, x: 30, y: 10 }, 1.5, point, 16);
    expect((point.x - view.x) / view.scale).toBeCloseTo((point.x - 30) / 2);
    expect((point.y - view.y) / view.scale).toBeCloseTo((point.y - 10) / 2);
    expect(zoomed(view, 1e9, point, 16).scale).toBe(16);
    expect(zoomed(view, 1e-9, point, 16).scale).toBe(1);
  });

  it('leaves no empty edge beside a picture that could fill it', () => {
    expect(kept({ scale: 2, x: 9_999, y: -9_999 }, fit, stage)).toEqual({ scale: 2, x: 500, y: -350 });
    expect(kept({ ...WHOLE, x: 50, y: -50 }, fit, stage)).toEqual(WHOLE);
  });
});
