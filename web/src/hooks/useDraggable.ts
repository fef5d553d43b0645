import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  type RefObject,
  useCallback,
  useEffect,
  useState,
} from 'react';
import { useStore } from 'zustand';
import { keptOnScreen, MARGIN, type Offset, type Size } from '../lib/keptOnScreen';
import { settingsStore } from '../stores/settingsStore';

const STEP = 24;
// Nearer than this to where it began, a press was no drag.
const STILL = 4;

/**
 * Lets a box at the bottom right be moved: dragged by mouse, touch or pen, by arrow keys, or to the other side by a press
 * on its handle, for whom dragging is hard (WCAG 2.5.7). It never leaves the window, and is where it was put when the
 * window has room again, or the page is loaded anew.
 */
export function useDraggable(box: RefObject<HTMLElement | null>) {
  const put = useStore(settingsStore, (settings) => settings.panel);
  const [dragged, setDragged] = useState<Offset | null>(null);
  const [room, setRoom] = useState<{ box: Size; window: Offset } | null>(null);
  const wanted = dragged ?? put ?? { right: MARGIN, bottom: MARGIN };
  const offset = room ? keptOnScreen(wanted, room.box, room.window) : wanted;

  useEffect(() => {
    const measure = () => {
      const size = box.current?.getBoundingClientRect();
      if (size) setRoom({ box: { width: size.width, height: size.height }, window: view() });
    };
    window.addEventListener('resize', measure);
    const observer = new ResizeObserver(measure);
    if (box.current) observer.observe(box.current);
    return () => {
      window.removeEventListener('resize', measure);
      observer.disconnect();
    };
  }, [box]);

  const kept = useCallback(
    (place: Offset) => {
      const size = box.current?.getBoundingClientRect();
      return size ? keptOnScreen(place, size, view()) : place;
    },
    [box],
  );
  const change = useCallback(
    (by: (now: Offset, size: Size) => Offset) => {
      const size = box.current?.getBoundingClientRect();
      if (size) settingsStore.setState({ panel: kept(by(offset, size)) });
    },
    [box, kept, offset],
  );
  const toOtherSide = useCallback(() => {
    change(({ right, bottom }, { width }) => {
      const most = view().right - width;
      return { right: right < most / 2 ? most : 0, bottom };
    });
  }, [change]);

  const onPointerDown = useCallback(
    (event: PointerEvent<HTMLElement>) => {
      const pressed = (event.target as HTMLElement).closest('button, a, select');
      if (event.button !== 0 || (pressed && !pressed.matches('[data-drag]'))) return;
      const handle = event.currentTarget;
      const from = { x: event.clientX, y: event.clientY };
      let last: Offset | null = null;
      const drag = (moved: globalThis.PointerEvent) => {
        const [x, y] = [from.x - moved.clientX, from.y - moved.clientY];
        if (!last && Math.hypot(x, y) < STILL) return;
        last = kept({ right: offset.right + x, bottom: offset.bottom + y });
        setDragged(last);
      };
      const drop = (ended: globalThis.PointerEvent) => {
        handle.removeEventListener('pointermove', drag);
        handle.removeEventListener('pointerup', drop);
        handle.removeEventListener('pointercancel', drop);
        if (last) settingsStore.setState({ panel: last });
        else if (pressed && ended.type === 'pointerup') toOtherSide();
        setDragged(null);
      };
      handle.setPointerCapture(event.pointerId);
      handle.addEventListener('pointermove', drag);
      handle.addEventListener('pointerup', drop);
      handle.addEventListener('pointercancel', drop);
    },
    [kept, offset, toOtherSide],
  );

  const onKeyDown = useCallback(
    (event: KeyboardEvent<HTMLElement>) => {
      const by = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[event.key];
      if (!by) return;
      event.preventDefault();
      change(({ right, bottom }) => ({ right: right + (by[0] ?? 0), bottom: bottom + (by[1] ?? 0) }));
    },
    [change],
  );

  /** Of the handle: Enter and the space bar. A pointer's press is heard where it ends. */
  const onClick = useCallback(
    (event: MouseEvent) => {
      if (event.detail === 0) toOtherSide();
    },
    [toOtherSide],
  );

  return { offset, onPointerDown, onKeyDown, onClick };
}

function view(): Offset {
  return { right: document.documentElement.clientWidth, bottom: window.innerHeight };
}
