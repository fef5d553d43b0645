import { useEffect, useState } from 'react';
import { previews } from '../../app';
import type { Shown } from '../../lib/preview/previews';
import { Icon } from '../icons';

// Rows that merely fly by while somebody scrolls ask for nothing.
const LOOKED_AT_MS = 120;

// EXIF's Orientation (CIPA DC-008, 4.6.4) as what turns a square upright.
const UPRIGHT = [
  '',
  '',
  'scaleX(-1)',
  'rotate(180deg)',
  'scaleY(-1)',
  'rotate(90deg) scaleY(-1)',
  'rotate(90deg)',
  'rotate(-90deg) scaleY(-1)',
  'rotate(-90deg)',
];

/** The little picture that the camera put into the file; a sign where there is none, or the file is not here. */
export function RowPreview({ photoId }: { photoId: string }) {
  const [shown, setShown] = useState<Shown | null>(() => previews.known(photoId) ?? null);

  useEffect(() => {
    if (previews.known(photoId) === null) return undefined;
    let left = false;
    const timer = setTimeout(() => {
      void previews.find(photoId).then((found) => {
        if (!left) setShown(found);
      });
    }, LOOKED_AT_MS);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [photoId]);

  return (
    <span className="row-preview" aria-hidden="true">
      {shown ? (
        <img
          src={shown.url}
          alt=""
          decoding="async"
          style={{ transform: UPRIGHT[shown.orientation] }}
          onError={() => {
            setShown(null);
          }}
        />
      ) : (
        <Icon name="library" />
      )}
    </span>
  );
}
