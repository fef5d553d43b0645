import { useLayoutEffect, useRef } from 'react';
import type { Days } from '../lib/photos/days';
import { type Layout, rowAt, rowOf } from '../lib/photos/layout';

/** So many pixels at the top of the window lie under the page's bar. */
export const BELOW_BAR = 76;

/**
 * What is at the top of the window stays there when photos come above it, or the window becomes wider.
 *
 * `top`: pixels of the page above the grid. At the very top new photos are let in.
 */
export function useSteady(layout: Layout, days: Days | null, top: number): void {
  const before = useRef({ layout, days });
  useLayoutEffect(() => {
    const { layout: was, days: wereDays } = before.current;
    before.current = { layout, days };
    const y = window.scrollY - top;
    if (was === layout || !wereDays || !days || y <= 0 || layout.rows.length === 0) return;
    const row = was.rows[rowAt(was.rows, y + BELOW_BAR)];
    const anchor = row && wereDays.anchor(row.first);
    if (!anchor) return;
    const now = rowOf(layout.rows, days.positionOf(anchor));
    const target = layout.rows[row.kind === 'head' ? Math.max(0, now - 1) : now];
    if (!target || target.top === row.top) return;
    window.scrollBy({ top: target.top - row.top, behavior: 'instant' });
    // The rows for that place are there before anything is painted.
    window.dispatchEvent(new Event('scroll'));
  }, [layout, days, top]);
}
