import { type PointerEvent, type RefObject, useEffect, useRef, useState } from 'react';
import { type Box, fitted, kept, mostScale, type View, WHOLE, zoomed } from '../lib/photos/zoom';
import { useBox } from './useBox';

export const STEP = 1.4;
const WHEEL = 0.0022;
const SWIPE_PX = 60;

interface Point {
  x: number;
  y: number;
}

export interface Zoom {
  view: View;
  /** The picture's size on the stage before it is scaled; null before either is known. */
  fit: Box | null;
  /** Scale around the middle. */
  by: (factor: number) => void;
  whole: () => void;
  pan: (x: number, y: number) => void;
  handlers: {
    onPointerDown: (event: PointerEvent) => void;
    onPointerMove: (event: PointerEvent) => void;
    onPointerUp: (event: PointerEvent) => void;
    onPointerCancel: (event: PointerEvent) => void;
    onDoubleClick: (event: { clientX: number; clientY: number }) => void;
  };
}

/**
 * Zoom and pan of the picture on a stage, by wheel, pinch, drag and double click. It begins anew with each `name`.
 *
 * `onSwipe`: a finger has pushed the whole picture aside, to the left (1) or to the right (-1).
 */
export function useZoom(
  stage: RefObject<HTMLElement | null>,
  name: string | undefined,
  picture: Box | null,
  onSwipe: (by: 1 | -1) => void,
): Zoom {
  const box = useBox(stage);
  const [state, setState] = useState<{ name: string | undefined; view: View }>({ name, view: WHOLE });
  const view = state.name === name ? state.view : WHOLE;
  const fit = picture && box ? fitted(picture, box) : null;
  const pointers = useRef(new Map<number, Point>());
  const begun = useRef<Point | null>(null);

  const change = (next: (view: View) => View) => {
    if (!fit || !box) return;
    setState((now) => ({ name, view: kept(next(now.name === name ? now.view : WHOLE), fit, box) }));
  };
  const at = ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const area = stage.current?.getBoundingClientRect();
    return area ? { x: clientX - area.left - area.width / 2, y: clientY - area.top - area.height / 2 } : { x: 0, y: 0 };
  };
  const around = (point: Point, factor: number) => {
    if (picture && fit) change((now) => zoomed(now, factor, point, mostScale(picture, fit)));
  };

  const turned = useRef<(event: WheelEvent) => void>(() => undefined);
  useEffect(() => {
    turned.current = (event) => {
      event.preventDefault();
      // Lines and pages are what a few mice count in; a pinch on a touchpad comes as small steps with Ctrl.
      const pixels = event.deltaY * (event.deltaMode === 0 ? 1 : 30) * (event.ctrlKey ? 4 : 1);
      around(at(event), Math.exp(-pixels * WHEEL));
    };
  });
  useEffect(() => {
    const listened = stage.current;
    // Not through React, whose wheel listeners are passive: the page behind must not scroll.
    const onWheel = (event: WheelEvent) => {
      turned.current(event);
    };
    listened?.addEventListener('wheel', onWheel, { passive: false });
    return () => listened?.removeEventListener('wheel', onWheel);
  }, [stage]);

  const lift = (event: PointerEvent) => {
    const from = begun.current;
    const to = at(event);
    const alone = pointers.current.size === 1;
    pointers.current.delete(event.pointerId);
    if (!from || !alone || view.scale > 1 || event.pointerType === 'mouse' || event.type === 'pointercancel') return;
    const aside = to.x - from.x;
    if (Math.abs(aside) > SWIPE_PX && Math.abs(aside) > 2 * Math.abs(to.y - from.y)) onSwipe(aside < 0 ? 1 : -1);
  };
  return {
    view,
    fit,
    by: (factor) => {
      around({ x: 0, y: 0 }, factor);
    },
    whole: () => {
      setState({ name, view: WHOLE });
    },
    pan: (x, y) => {
      change((now) => ({ ...now, x: now.x + x, y: now.y + y }));
    },
    handlers: {
      onPointerDown: (event) => {
        if ((event.target as HTMLElement).closest('button') || event.button > 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        pointers.current.set(event.pointerId, at(event));
        begun.current = pointers.current.size === 1 ? at(event) : null;
      },
      onPointerMove: (event) => {
        const before = pointers.current.get(event.pointerId);
        if (!before) return;
        const now = at(event);
        const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
        pointers.current.set(event.pointerId, now);
        if (!other) {
          if (view.scale > 1)
            change((shown) => ({ ...shown, x: shown.x + now.x - before.x, y: shown.y + now.y - before.y }));
          return;
        }
        const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
        around(middle, distance(now, other) / Math.max(1, distance(before, other)));
        change((shown) => ({ ...shown, x: shown.x + (now.x - before.x) / 2, y: shown.y + (now.y - before.y) / 2 }));
      },
      onPointerUp: lift,
      onPointerCancel: lift,
      onDoubleClick: (event) => {
        if (view.scale > 1) setState({ name, view: WHOLE });
        else if (picture && fit) around(at(event), Math.max(2, picture.width / fit.width));
      },
    },
  };
}

function distance(one: Point, other: Point): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}
