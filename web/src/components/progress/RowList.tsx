import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useMemo, useRef } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { useShown, useUploads } from '../../hooks/useUploads';
import { PhotoRowView } from './PhotoRowView';
import { rowsOfTab, type Tab } from './tabs';

const ROW_HEIGHT = 72;

/** The rows of a tab, of which only those in sight exist. */
export function RowList({ tab, job }: { tab: Tab; job: string | null }) {
  const say = useTexts();
  const { store, id } = useShown();
  const membership = useUploads((state) => state.membership);
  // Who is in the tab changes with `membership` alone; rows follow themselves.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const ids = useMemo(() => rowsOfTab(store.getState(), tab, job), [store, tab, job, membership]);
  // Another function would have all rows measured anew.
  const keyOf = useCallback((index: number) => ids[index] ?? index, [ids]);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    getItemKey: keyOf,
    overscan: 6,
  });

  return (
    <div
      ref={scroller}
      className="rows"
      id={`${id}-rows`}
      role="tabpanel"
      aria-labelledby={`${id}-tab-${tab}`}
      tabIndex={0}
    >
      {ids.length === 0 && <p className="rows-empty">{say(`tab.${tab}.none`)}</p>}
      <div className="rows-all" role="list" aria-label={say(`tab.${tab}.rows`)} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start }) => (
          <div
            key={key}
            ref={rows.measureElement}
            data-index={index}
            role="listitem"
            aria-setsize={ids.length}
            aria-posinset={index + 1}
            className="rows-one"
            style={{ transform: `translateY(${start}px)` }}
          >
            <PhotoRowView photoId={ids[index] ?? ''} />
          </div>
        ))}
      </div>
    </div>
  );
}
