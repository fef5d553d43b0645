import { type KeyboardEvent, type PointerEvent, type RefObject, useCallback, useEffect, useState } from 'react';

const MARGIN = 12;
const STEP = 24;

interface Offset {
  /** Pixels from the right edge of the window. */
  right: number;
  /** Pixels from its bottom. */
  bottom: number;
}

/** `offset` moved as little as needed for a box of that size to lie within the window. */
export function keptOnScreen(offset: Offset, box: { width: number; height: number }, window: Offset): Offset {
  const keep = (value: number, most: number) => Math.max(MARGIN, Math.min(value, Math.max(MARGIN, most - MARGIN)));
  return {
    right: keep(offset.right, window.right - box.width),
    bottom: keep(offset.bottom, window.bottom - box.height),
  };
}

/** Lets a box at the bottom right be moved by its handle: mouse, touch, pen, or arrow keys. It never leaves the window. */
export function useDraggable(box: RefObject<HTMLElement | null>) {
  const [offset, setOffset] = useState<Offset>({ right: MARGIN, bottom: MARGIN });

  const move = useCallback(
    (change: (offset: Offset) => Offset) => {
      const size = box.current?.getBoundingClientRect();
      if (!size) return;
      const view = { right: document.documentElement.clientWidth, bottom: window.innerHeight };
      setOffset((now) => {
        const next = keptOnScreen(change(now), size, view);
        return next.right === now.right && next.bottom === now.bottom ? now : next;
      });
    },
    [box],
  );

  useEffect(() => {
    const keep = () => {
      move((now) => now);
    };
    window.addEventListener('resize', keep);
    const observer = new ResizeObserver(keep);
    if (box.current) observer.observe(box.current);
    return () => {
      window.removeEventListener('resize', keep);
      observer.disconnect();
    };
  }, [box, move]);

  const onPointerDown = useCallback(
    (event: PointerEvent<HTMLElement>) => {
      if (event.button !== 0 || (event.target as HTMLElement).closest('button:not([data-drag])')) return;
      const handle = event.currentTarget;
      const from = { x: event.clientX + offset.right, y: event.clientY + offset.bottom };
      const drag = (moved: globalThis.PointerEvent) => {
        move(() => ({ right: from.x - moved.clientX, bottom: from.y - moved.clientY }));
      };
      const drop = () => {
        handle.removeEventListener('pointermove', drag);
        handle.removeEventListener('pointerup', drop);
        handle.removeEventListener('pointercancel', drop);
      };
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener('pointermove', drag);
      handle.addEventListener('pointerup', drop);
      handle.addEventListener('pointercancel', drop);
    },
    [move, offset],
  );

  const onKeyDown = useCallback(
    (event: KeyboardEvent<HTMLElement>) => {
      const by = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
      if (!by) return;
      event.preventDefault();
      move(({ right, bottom }) => ({ right: right + (by[0] ?? 0), bottom: bottom + (by[1] ?? 0) }));
    },
    [move],
  );

  return { offset, onPointerDown, onKeyDown };
}
