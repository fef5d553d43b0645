import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { STEP, useZoom } from '../../hooks/useZoom';
import type { Place } from '../../lib/api/photos';
import type { Shelf } from '../../lib/photos/shelf';
import { download, restore, trash } from '../../photoActions';
import { IconButton } from '../icons';
import { Notices } from '../layout/Notices';
import { ViewerDetails } from './ViewerDetails';
import { ViewerPicture } from './ViewerPicture';

const PAN_PX = 80;
const WIDE_PX = 900;

/** One photo large, with all that is known of it; keys lead to its neighbours, into it, and out again. */
export function PhotoViewer(props: {
  shelf: Shelf;
  place: Place;
  position: number;
  onShow: (position: number) => void;
  onClose: () => void;
}) {
  const { shelf, place, position, onShow, onClose } = props;
  const say = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const [details, setDetails] = useState(() => window.innerWidth >= WIDE_PX);
  const [busy, setBusy] = useState(false);
  const photo = shelf.at(position);
  const total = shelf.days?.total ?? 0;

  // Closed before it is taken out: the focus goes where it was, before it goes where it is wanted.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => {
      shown?.close();
    };
  }, []);
  useEffect(() => {
    // A button that had the focus may be gone (Undo): keys must still be heard.
    if (!dialog.current?.contains(document.activeElement)) dialog.current?.focus();
  });
  useEffect(() => {
    shelf.look('viewer', { first: position - 2, last: position + 2 });
    return () => {
      shelf.look('viewer', null);
    };
  }, [shelf, position]);
  const around = [shelf.at(position + 1), shelf.at(position - 1)].map((next) => next?.thumbnailUrl1024 ?? null);
  useEffect(() => {
    for (const url of around) if (url) new Image().src = url;
    // The same neighbours need not be fetched again.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, around);

  const show = (wanted: number) => {
    if (wanted !== position && wanted >= 0 && wanted < total) onShow(wanted);
  };
  const size = photo?.width && photo.height ? { width: photo.width, height: photo.height } : null;
  const zoom = useZoom(stage, photo?.photoId, photo ? (size ?? { width: 1_024, height: 768 }) : null, (by) => {
    show(position + by);
  });
  const takeAway = async () => {
    if (!photo || busy) return;
    setBusy(true);
    await (place === 'trash' ? restore : trash)([photo.photoId]);
    setBusy(false);
  };
  const save = () => {
    if (photo) void download([photo.photoId]);
  };

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const zoomedIn = zoom.view.scale > 1 && event.shiftKey;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => {
        if (zoomedIn) zoom.pan(PAN_PX, 0);
        else show(position - 1);
      },
      ArrowRight: () => {
        if (zoomedIn) zoom.pan(-PAN_PX, 0);
        else show(position + 1);
      },
      ...(zoomedIn && {
        ArrowUp: () => {
          zoom.pan(0, PAN_PX);
        },
        ArrowDown: () => {
          zoom.pan(0, -PAN_PX);
        },
      }),
      Home: () => {
        show(0);
      },
      End: () => {
        show(total - 1);
      },
      '+': () => {
        zoom.by(STEP);
      },
      '=': () => {
        zoom.by(STEP);
      },
      '-': () => {
        zoom.by(1 / STEP);
      },
      '0': zoom.whole,
      i: () => {
        setDetails(!details);
      },
      d: save,
      ...(place === 'library' && { Delete: () => void takeAway() }),
    };
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return (
    <dialog
      ref={dialog}
      className="viewer"
      tabIndex={-1}
      aria-label={photo?.filename ?? say('viewer.photo')}
      onKeyDown={onKeyDown}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={({ currentTarget }) => {
        // The browser may close it without asking, as it does where nobody has touched it since.
        if (!currentTarget.open) onClose();
      }}
    >
      <header className="viewer-head">
        <IconButton icon="close" label={say('viewer.close')} onClick={onClose} />
        <h2 title={photo?.relativePath ?? photo?.filename} aria-live="polite">
          <bdi>{photo?.filename ?? say('library.fetchingOne')}</bdi>
          <span className="viewer-place">{say('viewer.place', { at: position + 1, total })}</span>
        </h2>
        <IconButton
          icon="zoomOut"
          label={say('viewer.zoomOut')}
          onClick={() => {
            zoom.by(1 / STEP);
          }}
        />
        <IconButton
          icon="zoomIn"
          label={say('viewer.zoomIn')}
          onClick={() => {
            zoom.by(STEP);
          }}
        />
        <IconButton
          icon="info"
          label={say(details ? 'viewer.hideDetails' : 'viewer.showDetails')}
          expanded={details}
          onClick={() => {
            setDetails(!details);
          }}
        />
        <IconButton icon="download" label={say('viewer.download')} disabled={!photo} onClick={save} />
        <IconButton
          icon={place === 'trash' ? 'restore' : 'trash'}
          label={say(place === 'trash' ? 'viewer.restore' : 'viewer.trash')}
          disabled={!photo}
          onClick={() => void takeAway()}
        />
      </header>
      <div className="viewer-body">
        <div ref={stage} className="viewer-stage" data-zoomed={zoom.view.scale > 1 || undefined} {...zoom.handlers}>
          {photo && <ViewerPicture key={photo.photoId} photo={photo} zoom={zoom} />}
          {position > 0 && (
            <IconButton
              className="viewer-step viewer-previous"
              icon="previous"
              label={say('viewer.previous')}
              onClick={() => {
                show(position - 1);
              }}
            />
          )}
          {position < total - 1 && (
            <IconButton
              className="viewer-step viewer-next"
              icon="next"
              label={say('viewer.next')}
              onClick={() => {
                show(position + 1);
              }}
            />
          )}
        </div>
        {details && photo && <ViewerDetails photoId={photo.photoId} />}
      </div>
      <Notices />
    </dialog>
  );
}
