import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { photosApi } from '../../app';
import { sentenceOf } from '../../lib/api/errors';
import { describe } from '../../lib/photos/describe';
import { useTexts } from '../../hooks/useTexts';
import { usePhotoActions } from '../../hooks/usePhotos';
import type { Summary } from '../../types/wire';
import { IconButton } from '../icons';

/** One photo large, with all that is known of it; arrow keys lead to its neighbours. */
export function PhotoViewer(props: {
  photos: readonly Summary[];
  photoId: string;
  trashed: boolean;
  onShow: (photoId: string | null) => void;
}) {
  const { photos, photoId, trashed, onShow } = props;
  const say = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const index = photos.findIndex((photo) => photo.photoId === photoId);
  const photo = photos[index];
  const [details, setDetails] = useState(() => window.innerWidth >= 900);
  const { moveToTrash, restore, download } = usePhotoActions();

  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
    };
  }, []);

  const step = (by: number) => {
    const next = photos[index + by];
    if (next) onShow(next.photoId);
  };
  const takeAway = (work: (photo: Summary) => Promise<boolean>) => {
    if (!photo) return;
    const neighbour = photos[index + 1] ?? photos[index - 1];
    void work(photo).then((done) => {
      if (done) onShow(neighbour?.photoId ?? null);
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') step(-1);
    if (event.key === 'ArrowRight') step(1);
    if (event.key === 'i') setDetails(!details);
  };

  return (
    <dialog
      ref={dialog}
      className="viewer"
      aria-label={photo?.filename ?? say('viewer.photo')}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onShow(null);
      }}
    >
      <header className="viewer-head">
        <IconButton
          icon="close"
          label={say('viewer.close')}
          onClick={() => {
            onShow(null);
          }}
        />
        <h2 title={photo?.relativePath ?? photo?.filename}>
          <bdi>{photo?.filename}</bdi>
        </h2>
        <IconButton
          icon="info"
          label={say(details ? 'viewer.hideDetails' : 'viewer.showDetails')}
          expanded={details}
          onClick={() => {
            setDetails(!details);
          }}
        />
        {photo && <IconButton icon="download" label={say('viewer.download')} onClick={() => void download(photo)} />}
        {trashed ? (
          <IconButton
            icon="restore"
            label={say('viewer.restore')}
            onClick={() => {
              takeAway(restore);
            }}
          />
        ) : (
          <IconButton
            icon="trash"
            label={say('viewer.trash')}
            onClick={() => {
              takeAway(moveToTrash);
            }}
          />
        )}
      </header>
      <div className="viewer-body">
        <div className="viewer-stage">
          {photo && <Picture key={photo.photoId} photo={photo} />}
          {index > 0 && (
            <IconButton
              className="viewer-step viewer-previous"
              icon="previous"
              label={say('viewer.previous')}
              onClick={() => {
                step(-1);
              }}
            />
          )}
          {index < photos.length - 1 && (
            <IconButton
              className="viewer-step viewer-next"
              icon="next"
              label={say('viewer.next')}
              onClick={() => {
                step(1);
              }}
            />
          )}
        </div>
        {details && photo && <Details photo={photo} />}
      </div>
    </dialog>
  );
}

function Picture({ photo }: { photo: Summary }) {
  const say = useTexts();
  const [state, setState] = useState<'loading' | 'shown' | 'failed'>('loading');
  const { width, height } = photo;
  if (!photo.thumbnailUrl1024 || state === 'failed') return <p className="viewer-none">{say('viewer.none')}</p>;
  return (
    <img
      src={photo.thumbnailUrl1024}
      alt={photo.filename}
      data-state={state}
      {...(width && height && { width, height })}
      onLoad={() => {
        setState('shown');
      }}
      onError={() => {
        setState('failed');
      }}
    />
  );
}

function Details({ photo }: { photo: Summary }) {
  const say = useTexts();
  const { data, error } = useQuery({
    queryKey: ['photo', photo.photoId],
    queryFn: ({ signal }) => photosApi.photo(photo.photoId, signal),
  });
  return (
    <aside className="viewer-details" aria-label={say('viewer.details')}>
      {error && <p role="alert">{sentenceOf(error)}</p>}
      <dl>
        {data &&
          describe(data).map(({ name, value, href }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {href ? (
                  <a href={href} target="_blank" rel="noreferrer">
                    {value}
                  </a>
                ) : (
                  value
                )}
              </dd>
            </div>
          ))}
      </dl>
    </aside>
  );
}
