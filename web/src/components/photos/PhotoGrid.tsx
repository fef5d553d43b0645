import { defaultRangeExtractor, useWindowVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { BELOW_BAR, useSteady } from '../../hooks/useSteady';
import { useTexts } from '../../hooks/useTexts';
import { useWidth } from '../../hooks/useWidth';
import type { Place } from '../../lib/api/photos';
import { type Grouping, layoutOf, moved, rowAt, rowOf, sectionsOf } from '../../lib/photos/layout';
import type { Shelf } from '../../lib/photos/shelf';
import type { Selecting } from '../../hooks/useSelection';
import { PhotoTile, type TileEvents } from './PhotoTile';
import { SectionHead } from './SectionHead';

const OVERSCAN = 4;

/** Photos under their dates; only the rows in sight exist. */
export function PhotoGrid(props: {
  shelf: Shelf;
  place: Place;
  grouping: Grouping;
  trashDays: number;
  selecting: Selecting;
  onOpen: (position: number) => void;
  /** The day to be shown at the top, with a number that tells one wish from the next. */
  wanted: { day: string; count: number } | null;
  /** The photo that has been looked at last, for the focus to come back to. */
  returned: { position: number; count: number } | null;
}) {
  const { shelf, place, grouping, trashDays, selecting, onOpen, wanted, returned } = props;
  const say = useTexts();
  const grid = useRef<HTMLDivElement>(null);
  const width = useWidth(grid);
  const { days } = shelf;
  const layout = useMemo(
    () => layoutOf(days && width > 0 ? sectionsOf(days.list, grouping) : [], width),
    [days, grouping, width],
  );
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    setTop(grid.current?.offsetTop ?? 0);
  }, [width, layout]);

  const [focus, setFocus] = useState<number | null>(null);
  const focusing = useRef(false);
  const [seen, setSeen] = useState(returned);
  if (returned !== seen) {
    setSeen(returned);
    setFocus(returned?.position ?? null);
  }
  const focusRow = focus === null ? -1 : rowOf(layout.rows, Math.min(focus, (days?.total ?? 1) - 1));
  const rows = useWindowVirtualizer({
    count: layout.rows.length,
    estimateSize: (index) => layout.rows[index]?.height ?? 0,
    overscan: OVERSCAN,
    scrollMargin: top,
    scrollPaddingStart: BELOW_BAR,
    scrollPaddingEnd: 12,
    // A row that has the focus stays, wherever one scrolls to.
    rangeExtractor: (range) => {
      const shown = defaultRangeExtractor(range);
      return focusRow < 0 || shown.includes(focusRow) ? shown : [...shown, focusRow].sort((a, b) => a - b);
    },
  });
  useLayoutEffect(() => {
    rows.measure();
  }, [rows, layout]);
  useSteady(layout, days, top);

  const shown = rows.getVirtualItems();
  const range = rows.range;
  const first = layout.rows[range?.startIndex ?? 0]?.first ?? 0;
  const last = layout.rows[range?.endIndex ?? 0];
  const end = last ? (last.kind === 'head' ? last.first : last.first + last.count - 1) : 0;
  const spare = layout.columns * OVERSCAN;
  useEffect(() => {
    shelf.look('grid', { first: first - spare, last: end + spare });
  }, [shelf, days, first, end, spare]);

  const goTo = (position: number) => {
    focusing.current = true;
    setFocus(position);
    rows.scrollToIndex(rowOf(layout.rows, position));
  };
  useLayoutEffect(() => {
    if (!returned) return;
    focusing.current = true;
    rows.scrollToIndex(rowOf(layout.rows, returned.position));
    // Each return once, wherever everything stands by then.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [returned]);
  useLayoutEffect(() => {
    if (!focusing.current) return;
    const tile = grid.current?.querySelector<HTMLElement>(`[data-position="${focus}"]`);
    if (!tile) return;
    focusing.current = false;
    tile.focus({ preventScroll: true });
  });
  useEffect(() => {
    const at = wanted && days ? rowOf(layout.rows, days.startOf(wanted.day)) : -1;
    if (at > 0) window.scrollTo({ top: top + (layout.rows[at - 1]?.top ?? 0) - BELOW_BAR });
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [wanted]);

  const some = selecting.selected.ids.size > 0;
  const had = useRef(some);
  useEffect(() => {
    // With the last photo selected goes the bar, and the focus that its buttons had.
    if (had.current && !some && document.activeElement === document.body)
      grid.current?.querySelector<HTMLElement>('.tile-open[tabindex="0"]')?.focus({ preventScroll: true });
    had.current = some;
  }, [some]);

  const { toggle, reach, all, clear, section: selectSection, selected } = selecting;
  const choose = useCallback(
    (position: number, ranging: boolean) => {
      const photo = shelf.at(position);
      if (photo) (ranging ? reach : toggle)(photo.photoId, position);
    },
    [shelf, reach, toggle],
  );
  const events: TileEvents = useMemo(
    () => ({
      onOpen: (position, event) => {
        // A key has no `detail`: it opens, whatever is selected.
        const selects = event.shiftKey || event.ctrlKey || event.metaKey || (some && event.detail > 0);
        if (selects) choose(position, event.shiftKey);
        else if (shelf.at(position)) onOpen(position);
      },
      onCheck: (position, event) => {
        choose(position, event.shiftKey);
      },
      onExpired: (photo) => {
        shelf.expired(photo);
      },
    }),
    [choose, onOpen, shelf, some],
  );

  const onKeyDown = (event: KeyboardEvent) => {
    const on = (event.target as HTMLElement).dataset.position;
    if (event.key === 'Escape' && some) {
      clear();
      return;
    }
    if (on === undefined) return;
    const position = Number(on);
    const command = event.ctrlKey || event.metaKey;
    if (event.key === ' ') choose(position, event.shiftKey);
    else if (command && event.key === 'a') all();
    else if (command || event.altKey) return;
    else {
      const to = moved(layout, position, event.key, days?.total ?? 0);
      if (to === null) return;
      if (event.shiftKey) {
        if (!selected.anchor) choose(position, false);
        choose(to, selected.anchor !== null);
      }
      goTo(to);
    }
    event.preventDefault();
  };

  const reachable = focus ?? layout.rows[rowAt(layout.rows, layout.rows[range?.startIndex ?? 0]?.top ?? 0)]?.first ?? 0;
  return (
    <div
      ref={grid}
      className="grid"
      style={{ height: rows.getTotalSize() }}
      {...(layout.rows.length > 0 && {
        role: 'grid',
        'aria-label': say(place === 'trash' ? 'shelf.trash' : 'shelf.library'),
        'aria-multiselectable': true,
        'aria-rowcount': layout.rows.length,
        'aria-colcount': layout.columns,
      })}
      onKeyDown={onKeyDown}
      onFocus={({ target }) => {
        const on = (target as HTMLElement).dataset.position;
        if (on !== undefined) setFocus(Number(on));
      }}
    >
      {shown.map(({ index, start }) => {
        const row = layout.rows[index];
        if (!row) return null;
        const { kind, section } = row;
        return (
          <div
            key={`${kind} ${row.section.key} ${row.first - section.first}`}
            className="grid-line"
            role="row"
            aria-rowindex={index + 1}
            style={{ transform: `translateY(${start - top}px)`, height: row.height, gap: layout.gap }}
          >
            {kind === 'head' ? (
              <SectionHead
                section={section}
                place={place}
                trashDays={trashDays}
                onSelect={() => {
                  selectSection(section);
                }}
              />
            ) : (
              Array.from({ length: row.count }, (_, column) => {
                const position = row.first + column;
                const photo = shelf.at(position);
                return (
                  <PhotoTile
                    key={photo?.photoId ?? column}
                    photo={photo}
                    position={position}
                    column={column}
                    size={layout.tile}
                    selected={photo !== undefined && selected.ids.has(photo.photoId)}
                    reachable={position === reachable}
                    events={events}
                  />
                );
              })
            )}
          </div>
        );
      })}
    </div>
  );
}
