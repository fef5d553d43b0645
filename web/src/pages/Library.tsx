import { useCallback, useState } from 'react';
import { useStore } from 'zustand';
import { sentenceOf } from '../lib/api/errors';
import type { Place } from '../lib/api/photos';
import { groupingFor } from '../lib/photos/layout';
import { useSelection } from '../hooks/useSelection';
import { useShelf } from '../hooks/useShelf';
import { useTexts } from '../hooks/useTexts';
import { Connection } from '../components/layout/Connection';
import { Logo } from '../components/layout/Logo';
import { LibraryTools } from '../components/photos/LibraryTools';
import { PhotoGrid } from '../components/photos/PhotoGrid';
import { PhotoViewer } from '../components/photos/PhotoViewer';
import { Pickers } from '../components/photos/Pickers';
import { SelectionBar } from '../components/photos/SelectionBar';
import { settingsStore } from '../stores/settingsStore';

/** The photos of the library, or of the trash. */
export function Library(props: { place: Place; search: string; onClear: () => void; onPick: (files: File[]) => void }) {
  const { place, search, onClear, onPick } = props;
  const say = useTexts();
  const shelf = useShelf(place, search);
  const selecting = useSelection(shelf, place, search);
  const { days, error } = shelf;
  const chosen = useStore(settingsStore, (settings) => settings.grouping);
  const grouping = place === 'trash' ? 'day' : chosen === 'auto' ? groupingFor(days?.list ?? []) : chosen;
  const [wanted, setWanted] = useState<{ day: string; count: number } | null>(null);
  const [returned, setReturned] = useState<{ position: number; count: number } | null>(null);
  const [open, setOpen] = useState<{ position: number; photoId: string | undefined } | null>(null);

  const total = days?.total ?? 0;
  // The photo that is looked at stays in sight while others come and go; where it went itself, the next one is shown.
  const found = open?.photoId === undefined ? null : shelf.positionOf(open.photoId);
  const position = open && Math.min(found ?? open.position, total - 1);
  const show = useCallback(
    (at: number) => {
      setOpen({ position: at, photoId: shelf.at(at)?.photoId });
    },
    [shelf],
  );
  const close = useCallback((at: number) => {
    setOpen(null);
    setReturned((before) => ({ position: at, count: (before?.count ?? 0) + 1 }));
  }, []);
  if (open && days && total === 0) setOpen(null);

  return (
    <main className="library">
      <div className="library-head">
        <h1>{say(place === 'trash' ? 'shelf.trash' : 'shelf.library')}</h1>
        {days && (
          <p role="status">
            {search
              ? say('library.matching', { photos: say('count.photos', { count: total }), search })
              : say('count.photos', { count: total })}
          </p>
        )}
        <Connection announced />
        {days && total > 0 && place === 'library' && (
          <LibraryTools
            days={days}
            grouping={grouping}
            onGo={(day) => {
              setWanted((before) => ({ day, count: (before?.count ?? 0) + 1 }));
            }}
          />
        )}
      </div>
      {place === 'trash' && total > 0 && (
        <p className="library-hint">{say('trash.kept', { count: shelf.trashDays })}</p>
      )}
      {error !== null && (
        <div className="library-error" role="alert">
          <p>{sentenceOf(error)}</p>
          <button type="button" className="button" onClick={() => void shelf.refresh(true)}>
            {say('library.tryAgain')}
          </button>
        </div>
      )}
      {!days && error === null && <p className="library-wait">{say('library.fetching')}</p>}
      {days && total === 0 && <Nothing place={place} search={search} onClear={onClear} onPick={onPick} />}
      {days && total > 0 && (
        <PhotoGrid
          shelf={shelf}
          place={place}
          grouping={grouping}
          trashDays={shelf.trashDays}
          selecting={selecting}
          onOpen={show}
          wanted={wanted}
          returned={returned}
        />
      )}
      <SelectionBar place={place} total={total} selecting={selecting} />
      {position !== null && position >= 0 && (
        <PhotoViewer shelf={shelf} place={place} position={position} onShow={show} onClose={close} />
      )}
    </main>
  );
}

function Nothing(props: { place: Place; search: string; onClear: () => void; onPick: (files: File[]) => void }) {
  const { place, search, onClear, onPick } = props;
  const say = useTexts();
  if (search)
    return (
      <div className="library-none">
        <h2>{say('library.noMatch', { search })}</h2>
        <p>{say('library.noMatchHint')}</p>
        <button type="button" className="button" onClick={onClear}>
          {say('library.clearSearch')}
        </button>
      </div>
    );
  if (place === 'trash') return <p className="library-none">{say('library.trashEmpty')}</p>;
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
