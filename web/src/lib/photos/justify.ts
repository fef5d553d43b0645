export interface Shape {
  width?: number | null | undefined;
  height?: number | null | undefined;
}

export interface Line<T> {
  /** Pixels from the top of the grid. */
  top: number;
  height: number;
  tiles: { item: T; width: number }[];
}

// Panoramas and slivers keep within these, cropped rather than crushing their neighbours.
const NARROWEST = 0.5;
const WIDEST = 2.6;

function ratioOf({ width, height }: Shape): number {
  return width && height ? Math.min(WIDEST, Math.max(NARROWEST, width / height)) : 4 / 3;
}

/** Rows of pictures that fill `width` pixels, each near `target` pixels high, in the order given. */
export function justify<T extends Shape>(items: readonly T[], width: number, target: number, gap: number): Line<T>[] {
  const lines: Line<T>[] = [];
  let top = 0;
  let row: T[] = [];
  let ratios = 0;
  const close = (full: boolean) => {
    const room = width - gap * (row.length - 1);
    const height = full ? room / ratios : Math.min(target, room / ratios);
    lines.push({ top, height, tiles: row.map((item) => ({ item, width: ratioOf(item) * height })) });
    top += height + gap;
    row = [];
    ratios = 0;
  };
  for (const item of items) {
    row.push(item);
    ratios += ratioOf(item);
    if (ratios * target + gap * (row.length - 1) >= width) close(true);
  }
  if (row.length) close(false);
  return lines;
}
