import { memo, type MouseEvent, useMemo, useState } from 'react';
import { thumbHashToDataURL } from 'thumbhash';
import { useTexts } from '../../hooks/useTexts';
import { altText } from '../../lib/photos/describe';
import type { Summary } from '../../types/wire';
import { Icon } from '../icons';

export interface TileEvents {
  onOpen: (position: number, event: MouseEvent) => void;
  onCheck: (position: number, event: MouseEvent) => void;
  /** The photo's URLs no longer work. */
  onExpired: (photo: Summary) => void;
}

/** A photo in the grid, or its place while it is being fetched: its colours at once, its thumbnail as soon as it is there. */
export const PhotoTile = memo(function PhotoTile(props: {
  photo: Summary | undefined;
  position: number;
  column: number;
  size: number;
  selected: boolean;
  /** Whether the tabulator key leads here. */
  reachable: boolean;
  events: TileEvents;
}) {
  const { photo, position, column, size, selected, reachable, events } = props;
  const say = useTexts();
  const placeholder = useMemo(() => placeholderOf(photo?.thumbhash), [photo?.thumbhash]);
  const [failed, setFailed] = useState<string | null>(null);
  const sources = [
    photo?.thumbnailUrl && `${photo.thumbnailUrl} 256w`,
    photo?.thumbnailUrl1024 && `${photo.thumbnailUrl1024} 1024w`,
  ].filter(Boolean);
  const name = photo?.filename ?? '';
  return (
    <div
      className="tile"
      role="gridcell"
      aria-colindex={column + 1}
      aria-selected={selected}
      style={{ width: size, height: size }}
    >
      <button
        type="button"
        className="tile-open"
        style={placeholder === null ? undefined : { backgroundImage: `url(${placeholder})` }}
        data-position={position}
        tabIndex={reachable ? 0 : -1}
        aria-label={photo ? say('library.open', { name }) : say('library.fetchingOne')}
        aria-disabled={!photo}
        onClick={(event) => {
          events.onOpen(position, event);
        }}
      >
        {photo?.thumbnailUrl && failed !== photo.thumbnailUrl && (
          <img
            src={photo.thumbnailUrl}
            srcSet={sources.join(', ')}
            sizes={`${Math.ceil(size)}px`}
            alt={altText(photo)}
            decoding="async"
            draggable={false}
            onError={() => {
              setFailed(photo.thumbnailUrl ?? null);
              events.onExpired(photo);
            }}
          />
        )}
        {photo && (!photo.thumbnailUrl || failed === photo.thumbnailUrl) && (
          <span className="tile-missing">{name}</span>
        )}
      </button>
      {photo && (
        <button
          type="button"
          className="tile-check"
          role="checkbox"
          aria-checked={selected}
          aria-label={say('library.select', { name })}
          tabIndex={-1}
          onClick={(event) => {
            events.onCheck(position, event);
          }}
        >
          <Icon name="check" />
        </button>
      )}
    </div>
  );
});

function placeholderOf(thumbhash: string | null | undefined): string | null {
  if (!thumbhash) return null;
  return thumbHashToDataURL(Uint8Array.from(atob(thumbhash), (char) => char.charCodeAt(0)));
}
