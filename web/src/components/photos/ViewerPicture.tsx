import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { photosApi } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import type { Zoom } from '../../hooks/useZoom';
import { altText } from '../../lib/photos/describe';
import type { Summary } from '../../types/wire';

// What browsers show by themselves; of all others the preview is as large as it gets.
const SHOWN = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif']);
const PREVIEW_PX = 1_024;
// A preview may be stretched a little before the original is worth its bytes.
const STRETCHED = 1.2;
const HEAVY_BYTES = 40_000_000;

/** The picture on its stage: its preview at once, the original over it where that shows more. */
export function ViewerPicture({ photo, zoom }: { photo: Summary; zoom: Zoom }) {
  const say = useTexts();
  const { view, fit } = zoom;
  const [preview, setPreview] = useState<'loading' | 'shown' | 'failed'>('loading');
  const [whole, setWhole] = useState<'loading' | 'shown' | 'failed'>('loading');
  const pixels = fit ? Math.max(fit.width, fit.height) * view.scale * window.devicePixelRatio : 0;
  const sharper = pixels > PREVIEW_PX * STRETCHED && (view.scale > 1 || photo.bytes < HEAVY_BYTES);
  const { data } = useQuery({
    queryKey: ['original', photo.photoId],
    queryFn: () => photosApi.downloadUrl(photo.photoId),
    enabled: sharper && SHOWN.has(photo.mimeType),
    staleTime: Infinity,
  });
  if (!photo.thumbnailUrl1024 || (preview === 'failed' && whole !== 'shown' && !data))
    return <p className="viewer-none">{say('viewer.none')}</p>;
  if (!fit) return null;
  return (
    <div
      className="viewer-picture"
      style={{
        width: fit.width,
        height: fit.height,
        transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
      }}
    >
      <img
        src={photo.thumbnailUrl1024}
        alt={altText(photo)}
        data-state={preview}
        draggable={false}
        onLoad={() => {
          setPreview('shown');
        }}
        onError={() => {
          setPreview('failed');
        }}
      />
      {data && whole !== 'failed' && (
        <img
          src={data.url}
          alt=""
          className="viewer-original"
          data-state={whole}
          draggable={false}
          decoding="async"
          onLoad={() => {
            setWhole('shown');
          }}
          onError={() => {
            setWhole('failed');
          }}
        />
      )}
    </div>
  );
}
