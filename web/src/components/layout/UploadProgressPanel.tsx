import { useEffect, useRef, useState } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useDraggable } from '../../hooks/useDraggable';
import { useTexts } from '../../hooks/useTexts';
import { canNotify, useNotification, useWakeLock, wantNotification } from '../../hooks/useWhileSending';
import { leftOutStore } from '../../stores/leftOutStore';
import { settingsStore } from '../../stores/settingsStore';
import { IconButton } from '../icons';
import { Aloud } from '../progress/Aloud';
import { BatchSummary } from '../progress/BatchSummary';
import { JobPicker } from '../progress/JobPicker';
import { LeftOutList } from '../progress/LeftOutList';
import { overallPercent } from '../progress/overall';
import { ProgressTabs } from '../progress/ProgressTabs';
import { Resume } from '../progress/Resume';
import { RowList } from '../progress/RowList';
import { type Tab, tabCount } from '../progress/tabs';
import { BatchActions } from '../progress/UploadActions';
import { Busy } from './Busy';

/** The floating panel of all uploads. It is there while there are any rows, or something is on its way to be one. */
export function UploadProgressPanel({ preparing }: { preparing: string | null }) {
  const all = useStore(uploads, (state) => tabCount(state.counts, 'all'));
  const leftOut = useStore(leftOutStore, (state) => state.files.length);
  useProgressInTitle();
  useWakeLock();
  useNotification();
  return (
    <>
      {(all > 0 || leftOut > 0 || preparing !== null) && <Panel preparing={preparing} empty={all === 0} />}
      <Aloud preparing={preparing} />
    </>
  );
}

function Panel({ preparing, empty }: { preparing: string | null; empty: boolean }) {
  const say = useTexts();
  const [small, setSmall] = useState(false);
  const [tab, setTab] = useState<Tab>('all');
  const [chosen, setChosen] = useState<string | null>(null);
  // A job whose rows were all cleared away is no longer there to be shown.
  const job = useStore(uploads, (state) => (chosen !== null && state.jobs.has(chosen) ? chosen : null));
  const box = useRef<HTMLElement>(null);
  const { offset, onPointerDown, onKeyDown, onClick } = useDraggable(box);

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
          onClick={onClick}
        >
          <span aria-hidden="true">⠿</span>
        </button>
        <h2>{say('panel.title')}</h2>
        {canNotify() && <NotifyButton />}
        <IconButton
          icon={small ? 'maximise' : 'minimise'}
          label={say(small ? 'panel.showAll' : 'panel.minimise')}
          expanded={!small}
          onClick={() => {
            setSmall(!small);
          }}
        />
      </header>
      <div className="panel-body">
        {preparing !== null && <p className="panel-preparing">{preparing}</p>}
        <Busy />
        <Resume />
        {!small && <LeftOutList />}
        {!small && !empty && <JobPicker job={job} onChange={setChosen} />}
        {!empty && <BatchSummary job={small ? null : job} />}
        {!small && !empty && (
          <>
            <ProgressTabs tab={tab} job={job} onChange={setTab} />
            <RowList key={`${tab} ${job ?? ''}`} tab={tab} job={job} />
            <BatchActions
              job={job}
              onPage={() => {
                setSmall(true); // it shows the same
              }}
            />
          </>
        )}
      </div>
    </section>
  );
}

function NotifyButton() {
  const say = useTexts();
  const wanted = useStore(settingsStore, (settings) => settings.notify) && Notification.permission === 'granted';
  return (
    <IconButton
      icon={wanted ? 'bell' : 'bellOff'}
      label={say('notify.want')}
      pressed={wanted}
      onClick={() => void wantNotification(!wanted)}
    />
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
