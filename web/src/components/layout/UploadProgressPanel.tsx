import { useEffect, useRef, useState } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useDraggable } from '../../hooks/useDraggable';
import { useTexts } from '../../hooks/useTexts';
import { BatchSummary } from '../progress/BatchSummary';
import { Busy } from './Busy';
import { overallPercent } from '../progress/overall';
import { ProgressTabs } from '../progress/ProgressTabs';
import { Resume } from '../progress/Resume';
import { RowList } from '../progress/RowList';
import { type Tab, tabCount } from '../progress/tabs';
import { BatchActions } from '../progress/UploadActions';
import { IconButton } from '../icons';

/** The floating panel of all uploads. It is there while there are any rows, or something is on its way to be one. */
export function UploadProgressPanel({ preparing }: { preparing: string | null }) {
  const all = useStore(uploads, (state) => tabCount(state.counts, 'all'));
  if (all === 0 && preparing === null) return null;
  return <Panel preparing={preparing} empty={all === 0} />;
}

function Panel({ preparing, empty }: { preparing: string | null; empty: boolean }) {
  const say = useTexts();
  const [small, setSmall] = useState(false);
  const [tab, setTab] = useState<Tab>('all');
  const box = useRef<HTMLElement>(null);
  const { offset, onPointerDown, onKeyDown } = useDraggable(box);
  useProgressInTitle();

  return (
    <section
      ref={box}
      className="panel"
      data-small={small || undefined}
      aria-label={say('panel.title')}
      style={{ right: offset.right, bottom: offset.bottom }}
    >
      <header className="panel-head" onPointerDown={onPointerDown}>
        <button
          type="button"
          className="panel-handle"
          data-drag
          aria-label={say('panel.moveLabel')}
          title={say('panel.moveHint')}
          onKeyDown={onKeyDown}
        >
          <span aria-hidden="true">⠿</span>
        </button>
        <h2>{say('panel.title')}</h2>
        <IconButton
          icon={small ? 'maximise' : 'minimise'}
          label={say(small ? 'panel.showAll' : 'panel.minimise')}
          expanded={!small}
          onClick={() => {
            setSmall(!small);
          }}
        />
      </header>
      {preparing !== null && (
        <p className="panel-preparing" role="status">
          {preparing}
        </p>
      )}
      <Busy />
      <Resume />
      {!empty && <BatchSummary />}
      {!small && !empty && (
        <>
          <ProgressTabs tab={tab} onChange={setTab} />
          <RowList tab={tab} />
          <BatchActions />
        </>
      )}
    </section>
  );
}

/** The browser's tab shows how far it is while something is under way. */
function useProgressInTitle(): void {
  const say = useTexts();
  const active = useStore(uploads, (state) => state.counts.active);
  const percent = useStore(uploads, (state) => Math.floor(overallPercent(state.totals)));
  useEffect(() => {
    document.title = active > 0 ? say('panel.titlePercent', { percent }) : 'Safelight';
    return () => {
      document.title = 'Safelight';
    };
  }, [active, percent, say]);
}
