import { type RefObject, useLayoutEffect, useState } from 'react';
import type { Box } from '../lib/photos/zoom';

/** Width and height of an element's inside in pixels; null before it is laid out. */
export function useBox(element: RefObject<HTMLElement | null>): Box | null {
  const [box, setBox] = useState<Box | null>(null);
  useLayoutEffect(() => {
    const measured = element.current;
    if (!measured) return undefined;
    const observer = new ResizeObserver(() => {
      setBox({ width: measured.clientWidth, height: measured.clientHeight });
    });
    observer.observe(measured);
    return () => {
      observer.disconnect();
    };
  }, [element]);
  return box;
}
