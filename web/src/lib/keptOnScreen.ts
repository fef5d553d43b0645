// Pixels that stay free between a box and the edge of the window.
export const MARGIN = 12;

export interface Offset {
  /** Pixels from the right edge of the window. */
  right: number;
  /** Pixels from its bottom. */
  bottom: number;
}

export interface Size {
  width: number;
  height: number;
}

/** `offset` moved as little as needed for a box of that size to lie within the window. */
export function keptOnScreen(offset: Offset, box: Size, window: Offset): Offset {
  const keep = (value: number, most: number) => Math.max(MARGIN, Math.min(value, Math.max(MARGIN, most - MARGIN)));
  return {
    right: keep(offset.right, window.right - box.width),
    bottom: keep(offset.bottom, window.bottom - box.height),
  };
}
