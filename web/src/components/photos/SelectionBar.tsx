import { useEffect, useRef, useState } from 'react';
import { useTexts } from '../../hooks/useTexts';
import type { Selecting } from '../../hooks/useSelection';
import type { Place } from '../../lib/api/photos';
import { download as downloadAll, remove, restore, trash } from '../../photoActions';
import { Icon, IconButton, type IconName } from '../icons';

// Said once somebody rests, not with each photo of a range.
const SAID_AFTER_MS = 500;

/** How many photos are selected, and what one may do with them; over the page's own bar for as long as there are any. */
export function SelectionBar(props: { place: Place; total: number; selecting: Selecting }) {
  const { place, total, selecting } = props;
  const { selected, asking, all, drop, clear } = selecting;
  const say = useTexts();
  const count = selected.ids.size;
  const [busy, setBusy] = useState(false);
  const [begun, setBegun] = useState<number | null>(null);
  const downloading = useRef<AbortController | null>(null);
  useEffect(() => () => downloading.current?.abort(), []);

  const apply = async (work: (photoIds: readonly string[]) => Promise<string[]>) => {
    setBusy(true);
    drop(await work([...selected.ids]));
    setBusy(false);
  };
  const download = async () => {
    const ended = (downloading.current = new AbortController());
    setBegun(0);
    await downloadAll([...selected.ids], ended.signal, setBegun);
    setBegun(null);
  };
  const button = (icon: IconName, label: string, onClick: () => void, disabled = busy || asking) => (
    <button type="button" className="button" title={label} aria-label={label} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
      <span>{label}</span>
    </button>
  );

  return (
    <>
      <Aloud count={count} />
      {count > 0 && (
        <div className="selection-bar" role="toolbar" aria-label={say('selection.label')}>
          <IconButton icon="close" label={say('selection.clear')} onClick={clear} />
          <p>{say('selection.count', { count })}</p>
          {count < total && button('checkAll', say('selection.all', { count: total }), all)}
          <span className="selection-end">
            {begun === null
              ? button('download', say('selection.download'), () => void download())
              : button(
                  'pause',
                  say('selection.stopDownload', { begun, count }),
                  () => downloading.current?.abort(),
                  false,
                )}
            {place === 'library' && button('trash', say('selection.trash'), () => void apply(trash))}
            {place === 'trash' && button('restore', say('selection.restore'), () => void apply(restore))}
            {place === 'trash' &&
              button('close', say('selection.remove'), () => {
                if (window.confirm(say('selection.removeSure', { count }))) void apply(remove);
              })}
          </span>
        </div>
      )}
    </>
  );
}

function Aloud({ count }: { count: number }) {
  const say = useTexts();
  const [said, setSaid] = useState<number | null>(null);
  useEffect(() => {
    if (count === (said ?? 0)) return undefined;
    const timer = setTimeout(() => {
      setSaid(count);
    }, SAID_AFTER_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [count, said]);
  return (
    <p className="unseen" role="status">
      {said === null ? '' : say('selection.count', { count: said })}
    </p>
  );
}
