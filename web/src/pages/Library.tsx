import { useCallback, useDeferredValue, useMemo, useState } from 'react';
import { sentenceOf } from '../lib/api/errors';
import { countText } from '../lib/format';
import { type Shelf, usePhotoActions, usePhotos } from '../hooks/usePhotos';
import { IconButton } from '../components/icons';
import { Connection } from '../components/layout/Connection';
import { Logo } from '../components/layout/Logo';
import { PhotoGrid } from '../components/photos/PhotoGrid';
import { PhotoViewer } from '../components/photos/PhotoViewer';
import { Pickers } from '../components/photos/Pickers';
import type { Summary } from '../types/wire';

/** The photos of the library, or of the trash. */
export function Library(props: { shelf: Shelf; search: string; onPick: (files: File[]) => void }) {
  const { shelf, onPick } = props;
  const search = useDeferredValue(props.search.trim());
  const { data, error, isPending, hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = usePhotos(shelf, search);
  const [open, setOpen] = useState<string | null>(null);
  const photos = useMemo(() => data?.pages.flatMap((page) => page.items) ?? [], [data]);
  const total = data?.pages[0]?.totalElements ?? 0;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  return (
    <main className="library">
      <div className="library-head">
        <h1>{shelf === 'trash' ? 'Trash' : 'Library'}</h1>
        {data && (
          <p>
            {countText(total, 'photo')}
            {search && ` matching “${search}”`}
          </p>
        )}
        <Connection announced />
      </div>
      {error && (
        <div className="library-error" role="alert">
          <p>{sentenceOf(error)}</p>
          <button type="button" className="button" onClick={() => void refetch()}>
            Try again
          </button>
        </div>
      )}
      {isPending && <p className="library-wait">Fetching photos…</p>}
      {data && photos.length === 0 && <Nothing shelf={shelf} search={search} onPick={onPick} />}
      {photos.length > 0 && (
        <PhotoGrid
          photos={photos}
          onOpen={setOpen}
          onEnd={more}
          {...(shelf === 'trash' && { actions: (photo: Summary) => <TrashActions photo={photo} /> })}
        />
      )}
      {open !== null && <PhotoViewer photos={photos} photoId={open} trashed={shelf === 'trash'} onShow={setOpen} />}
    </main>
  );
}

function TrashActions({ photo }: { photo: Summary }) {
  const { restore, deleteForGood } = usePhotoActions();
  return (
    <figcaption className="tile-actions">
      <IconButton icon="restore" label={`Put ${photo.filename} back`} onClick={() => void restore(photo)} />
      <IconButton
        icon="close"
        label={`Delete ${photo.filename} for good`}
        onClick={() => {
          if (window.confirm(`Delete ${photo.filename} for good? This cannot be undone.`)) void deleteForGood(photo);
        }}
      />
    </figcaption>
  );
}

function Nothing({ shelf, search, onPick }: { shelf: Shelf; search: string; onPick: (files: File[]) => void }) {
  if (search) return <p className="library-none">No photo’s name contains “{search}”.</p>;
  if (shelf === 'trash')
    return <p className="library-none">The trash is empty. Photos that you delete wait here before they are gone.</p>;
  return (
    <section className="empty">
      <div className="empty-lamp">
        <Logo />
      </div>
      <h2>Drop your photos here</h2>
      <p>
        A hundred or ten thousand, files or whole folders. Each one is stored, verified and developed before your eyes.
      </p>
      <Pickers onPick={onPick} large />
      <p className="hint">JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC and camera RAW</p>
    </section>
  );
}
