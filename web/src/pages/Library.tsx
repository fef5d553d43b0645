import { useCallback, useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { sentenceOf } from '../lib/api/errors';
import type { Place } from '../lib/api/photos';
import { groupingFor } from '../lib/photos/layout';
import { type Looked, useLooked } from '../hooks/useLooked';
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
  const { looked, look, close } = useLooked();
  const [seen, setSeen] = useState(looked);

  const total = days?.total ?? 0;
  // The photo that is looked at stays in sight while others come and go; where it went itself, the next one is shown.
  const standing = ({ position, photoId }: Looked) => {
    const found = photoId === undefined ? null : shelf.positionOf(photoId);
    return Math.min(found ?? position, total - 1);
  };
  const position = looked && standing(looked);
  const show = useCallback(
    (at: number) => {
      look({ position: at, photoId: shelf.at(at)?.photoId });
    },
    [shelf, look],
  );
  if (looked !== seen) {
    setSeen(looked);
    if (seen && !looked && total > 0) setReturned({ position: standing(seen), count: (returned?.count ?? 0) + 1 });
  }
  const nothing = looked !== null && days !== null && total === 0;
  useEffect(() => {
    if (nothing) close();
  }, [nothing, close]);

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
