import { useCallback, useDeferredValue, useMemo, useState } from 'react';
import { sentenceOf } from '../lib/api/errors';
import { useTexts } from '../hooks/useTexts';
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
  const say = useTexts();
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
        <h1>{say(shelf === 'trash' ? 'shelf.trash' : 'shelf.library')}</h1>
        {data && (
          <p>
            {search
              ? say('library.matching', { photos: say('count.photos', { count: total }), search })
              : say('count.photos', { count: total })}
          </p>
        )}
        <Connection announced />
      </div>
      {error && (
        <div className="library-error" role="alert">
          <p>{sentenceOf(error)}</p>
          <button type="button" className="button" onClick={() => void refetch()}>
            {say('library.tryAgain')}
          </button>
        </div>
      )}
      {isPending && <p className="library-wait">{say('library.fetching')}</p>}
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
  const say = useTexts();
  const { restore, deleteForGood } = usePhotoActions();
  return (
    <figcaption className="tile-actions">
      <IconButton
        icon="restore"
        label={say('library.putBack', { name: photo.filename })}
        onClick={() => void restore(photo)}
      />
      <IconButton
        icon="close"
        label={say('library.deleteForGood', { name: photo.filename })}
        onClick={() => {
          if (window.confirm(say('library.deleteForGoodSure', { name: photo.filename }))) void deleteForGood(photo);
        }}
      />
    </figcaption>
  );
}

function Nothing({ shelf, search, onPick }: { shelf: Shelf; search: string; onPick: (files: File[]) => void }) {
  const say = useTexts();
  if (search) return <p className="library-none">{say('library.noMatch', { search })}</p>;
  if (shelf === 'trash') return <p className="library-none">{say('library.trashEmpty')}</p>;
  return (
    <section className="empty">
      <div className="empty-lamp">
        <Logo />
      </div>
      <h2>{say('library.empty')}</h2>
      <p>{say('library.emptyLead')}</p>
      <Pickers onPick={onPick} large />
      <p className="hint">{say('library.types')}</p>
    </section>
  );
}
