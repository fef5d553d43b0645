import { memo, type ReactNode, useMemo, useState } from 'react';
import { thumbHashToDataURL } from 'thumbhash';
import { useTexts } from '../../hooks/useTexts';
import type { Summary } from '../../types/wire';

/** A photo in the grid: its placeholder at once, its thumbnail over it as soon as it is there. */
export const PhotoTile = memo(function PhotoTile(props: {
  photo: Summary;
  width: number;
  height: number;
  onOpen: (photoId: string) => void;
  children?: ReactNode;
}) {
  const { photo, width, height, onOpen, children } = props;
  const say = useTexts();
  const placeholder = useMemo(() => placeholderOf(photo.thumbhash), [photo.thumbhash]);
  const [missing, setMissing] = useState(false);
  const sources = [
    photo.thumbnailUrl && `${photo.thumbnailUrl} 256w`,
    photo.thumbnailUrl1024 && `${photo.thumbnailUrl1024} 1024w`,
  ].filter(Boolean);
  return (
    <figure className="tile" style={{ width, height, ...(placeholder && { backgroundImage: `url(${placeholder})` }) }}>
      <button
        type="button"
        className="tile-open"
        aria-label={say('library.open', { name: photo.filename })}
        onClick={() => {
          onOpen(photo.photoId);
        }}
      >
        {photo.thumbnailUrl && !missing ? (
          <img
            src={photo.thumbnailUrl}
            srcSet={sources.join(', ')}
            sizes={`${Math.ceil(width)}px`}
            alt={photo.filename}
            loading="lazy"
            decoding="async"
            onError={() => {
              setMissing(true);
            }}
          />
        ) : (
          <span className="tile-missing">{photo.filename}</span>
        )}
      </button>
      {children}
    </figure>
  );
});

function placeholderOf(thumbhash: string | null | undefined): string | null {
  if (!thumbhash) return null;
  return thumbHashToDataURL(Uint8Array.from(atob(thumbhash), (char) => char.charCodeAt(0)));
}
