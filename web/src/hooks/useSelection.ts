import { useCallback, useMemo, useState } from 'react';
import { photosApi } from '../app';
import type { Place } from '../lib/api/photos';
import { sentenceOf } from '../lib/api/errors';
import type { Section } from '../lib/photos/layout';
import { between, extended, flipped, NONE, type Selection, toggled, without } from '../lib/photos/selection';
import type { Shelf } from '../lib/photos/shelf';
import { notify } from '../stores/noticeStore';

export interface Selecting {
  selected: Selection;
  /** Whether the server is being asked which photos these are: nothing is to be done with them before it has told. */
  asking: boolean;
  toggle: (photoId: string, position: number) => void;
  /** All photos from the one selected last to this one. */
  reach: (photoId: string, position: number) => void;
  section: (section: Section) => void;
  all: () => void;
  drop: (photoIds: readonly string[]) => void;
  clear: () => void;
}

/** Which photos of a shelf are selected. Of photos that are not known here the server tells the ids. */
export function useSelection(shelf: Shelf, place: Place, search: string): Selecting {
  const [selected, setSelected] = useState<Selection>(NONE);
  const [asked, setAsked] = useState(0);
  const clear = useCallback(() => {
    setSelected(NONE);
  }, []);

  return useMemo(() => {
    const wanted = search === '' ? undefined : search;
    const ask = (from: string | undefined, to: string | undefined, take: (ids: string[]) => void) => {
      setAsked((now) => now + 1);
      photosApi
        .ids(place, { search: wanted, from, to })
        .then(take, (error: unknown) => {
          notify(sentenceOf(error));
        })
        .finally(() => {
          setAsked((now) => now - 1);
        });
    };
    const add = (photoIds: readonly string[]) => {
      setSelected((now) => extended(now, photoIds));
    };
    return {
      selected,
      asking: asked > 0,
      toggle: (photoId, position) => {
        setSelected((now) => toggled(now, photoId, position));
      },
      reach: (photoId, position) => {
        const { anchor } = selected;
        if (!anchor) {
          setSelected((now) => toggled(now, photoId, position));
          return;
        }
        const [first, last] = [Math.min(anchor.position, position), Math.max(anchor.position, position)];
        const known = Array.from({ length: last - first + 1 }, (_, at) => shelf.at(first + at)?.photoId);
        const ids = known.filter((id) => id !== undefined);
        // The anchor's position is told by what came since only where the photo is still known.
        if (ids.length === known.length && ids.includes(anchor.photoId)) add(ids);
        else
          ask(dayAt(shelf, last), dayAt(shelf, first), (all) => {
            add(between(all, anchor.photoId, photoId));
          });
      },
      section: ({ from, to }) => {
        ask(to, from, (ids) => {
          setSelected((now) => flipped(now, ids));
        });
      },
      all: () => {
        ask(undefined, undefined, add);
      },
      drop: (photoIds) => {
        setSelected((now) => without(now, photoIds));
      },
      clear,
    };
  }, [selected, asked, shelf, place, search, clear]);
}

function dayAt(shelf: Shelf, position: number): string | undefined {
  const at = shelf.days?.at(position);
  return at ? shelf.days?.list[at.index]?.day : undefined;
}
