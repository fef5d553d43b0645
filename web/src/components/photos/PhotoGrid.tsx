import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useWidth } from '../../hooks/useWidth';
import { justify } from '../../lib/photos/justify';
import type { Summary } from '../../types/wire';
import { PhotoTile } from './PhotoTile';

const GAP = 6;
const WIDE = { from: 720, height: 208 };
const NARROW_HEIGHT = 132;

/** Photos in rows that fill the width, in their own proportions; only the rows in sight exist. */
export function PhotoGrid(props: {
  photos: readonly Summary[];
  onOpen: (photoId: string) => void;
  onEnd: () => void;
  actions?: (photo: Summary) => ReactNode;
}) {
  const { photos, onOpen, onEnd, actions } = props;
  const grid = useRef<HTMLDivElement>(null);
  const width = useWidth(grid);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    setTop(grid.current?.offsetTop ?? 0);
  }, [width]);
  const lines = useMemo(
    () => (width > 0 ? justify(photos, width, width >= WIDE.from ? WIDE.height : NARROW_HEIGHT, GAP) : []),
    [photos, width],
  );
  const rows = useWindowVirtualizer({
    count: lines.length,
    estimateSize: (index) => (lines[index]?.height ?? WIDE.height) + GAP,
    overscan: 4,
    scrollMargin: top,
  });
  useEffect(() => {
    rows.measure();
  }, [rows, lines]);

  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? -1;
  useEffect(() => {
    if (last >= lines.length - 3 && lines.length > 0) onEnd();
  }, [last, lines.length, onEnd]);

  return (
    <div ref={grid} className="grid" style={{ height: rows.getTotalSize() }}>
      {shown.map(({ index, start }) => (
        <div key={index} className="grid-line" style={{ transform: `translateY(${start - top}px)`, gap: GAP }}>
          {lines[index]?.tiles.map(({ item, width: tileWidth }) => (
            <PhotoTile
              key={item.photoId}
              photo={item}
              width={tileWidth}
              height={lines[index]?.height ?? 0}
              onOpen={onOpen}
            >
              {actions?.(item)}
            </PhotoTile>
          ))}
        </div>
      ))}
    </div>
  );
}
