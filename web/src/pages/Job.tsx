import { useEffect, useMemo, useRef, useState } from 'react';
import { uploadApi } from '../app';
import { Connection } from '../components/layout/Connection';
import { BatchSummary } from '../components/progress/BatchSummary';
import { jobName } from '../components/progress/jobs';
import { ProgressTabs } from '../components/progress/ProgressTabs';
import { RowList } from '../components/progress/RowList';
import type { Tab } from '../components/progress/tabs';
import { useTexts } from '../hooks/useTexts';
import { ShownUploads, useUploads } from '../hooks/useUploads';
import { useWatchedJob } from '../hooks/useWatchedJob';
import { sentenceOf } from '../lib/api/errors';
import { dateText, durationText } from '../lib/format';
import { save } from '../lib/save';
import { notify } from '../stores/noticeStore';
import type { JobStatus, Snapshot } from '../types/wire';

/** One job to be watched, from any device: counts and rows as they change, and its receipt. Nothing can be done to it here. */
export function Job({ jobId }: { jobId: string }) {
  const say = useTexts();
  const { store, job, missing, etaSeconds } = useWatchedJob(jobId);
  const shown = useMemo(() => ({ store, watching: true, id: 'watched' }), [store]);
  if (!job)
    return (
      <main className="library">
        {missing ? (
          <p className="library-none">{say('job.missing')}</p>
        ) : (
          <p className="library-wait">{say('job.fetching')}</p>
        )}
      </main>
    );
  return (
    <ShownUploads value={shown}>
      <Watched job={job} etaSeconds={etaSeconds} />
    </ShownUploads>
  );
}

function Watched({ job, etaSeconds }: { job: Omit<Snapshot, 'photos'>; etaSeconds: number | null }) {
  const say = useTexts();
  const { jobId } = job;
  const [tab, setTab] = useState<Tab>('all');
  const name = useUploads((state) => jobName(state, jobId));
  const status = useUploads((state) => state.jobs.get(jobId)?.status ?? (job.status as JobStatus));
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // Whoever came here by a link of the panel goes on reading here.
    if (document.activeElement === document.body) heading.current?.focus();
  }, []);
  return (
    <main className="library job">
      <div className="library-head">
        <h1 ref={heading} tabIndex={-1}>
          <bdi>{name}</bdi>
        </h1>
        <span className="badge" data-status={status}>
          {say(`job.status.${status}`)}
        </span>
        <p>
          {say('job.begun', { date: dateText(new Date(job.createdAt), { dateStyle: 'medium', timeStyle: 'short' }) })}
        </p>
        {etaSeconds !== null && <p>{say('job.left', { time: durationText(etaSeconds) })}</p>}
        <Connection announced />
      </div>
      <Receipt jobId={jobId} />
      <section className="job-rows" aria-label={say('job.photos')}>
        <BatchSummary job={jobId} />
        <ProgressTabs tab={tab} job={jobId} onChange={setTab} />
        <RowList key={tab} tab={tab} job={jobId} />
      </section>
    </main>
  );
}

function Receipt({ jobId }: { jobId: string }) {
  const say = useTexts();
  const [busy, setBusy] = useState(false);
  const download = async (format: 'csv' | 'json') => {
    if (busy) return;
    setBusy(true);
    try {
      save(await uploadApi.receipt(jobId, format), `safelight-${jobId}.${format}`);
    } catch (error) {
      notify(sentenceOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="receipt" aria-labelledby="receipt">
      <h2 id="receipt">{say('job.receipt')}</h2>
      <p>{say('job.receiptHint')}</p>
      {(['csv', 'json'] as const).map((format) => (
        <button
          key={format}
          type="button"
          className="button"
          aria-disabled={busy || undefined}
          onClick={() => void download(format)}
        >
          {say(format === 'csv' ? 'job.receiptCsv' : 'job.receiptJson')}
        </button>
      ))}
    </section>
  );
}
