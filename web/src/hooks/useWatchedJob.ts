import { useEffect, useState } from 'react';
import { uploadApi } from '../app';
import { ApiError } from '../lib/api/errors';
import { isAbort, jitteredDelay, sleep } from '../lib/upload/backoff';
import { listen } from '../live';
import { connectionStore } from '../stores/connectionStore';
import { createUploadStore, type UploadStore } from '../stores/uploadStore';
import { isPhotoEvent, type LiveEvent, type Snapshot } from '../types/wire';

const RETRY = { base: 1_000, cap: 10_000 };

export interface Watched {
  store: UploadStore;
  /** The job as it was last fetched; null before, and where there is none. */
  job: Omit<Snapshot, 'photos'> | null;
  missing: boolean;
  /** What the server expects to be left. */
  etaSeconds: number | null;
}

/** A job as the server has it, live, whoever sends it and whatever was cleared from this page's own panel. */
export function useWatchedJob(jobId: string): Watched {
  const [store] = useState(() => createUploadStore());
  const [job, setJob] = useState<Watched['job']>(null);
  const [missing, setMissing] = useState(false);
  const [etaSeconds, setEta] = useState<number | null>(null);

  useEffect(() => {
    const ended = new AbortController();
    let asking: Promise<void> | null = null;
    let again = false;
    let early: LiveEvent[] | null = [];

    const fetchJob = async () => {
      const { photos, ...rest } = await uploadApi.snapshot(jobId, ended.signal);
      store.dispatch({ type: 'snapshot', snapshot: { ...rest, photos } });
      // What came meanwhile: of it, what the snapshot tells already is passed over.
      if (early) store.dispatch({ type: 'events', jobId, events: early });
      early = null;
      store.flush();
      setJob(rest);
    };
    const until = async () => {
      for (let attempt = 0; ; attempt++) {
        try {
          await fetchJob();
          return;
        } catch (error) {
          if (isAbort(error)) return;
          if (error instanceof ApiError && error.status === 404) {
            setMissing(true);
            return;
          }
        }
        await sleep(jitteredDelay(attempt, RETRY), ended.signal).catch((error: unknown) => {
          if (!isAbort(error)) throw error;
        });
        if (ended.signal.aborted) return;
      }
    };
    const look = () => {
      if (asking) {
        again = true;
        return;
      }
      asking = until().finally(() => {
        asking = null;
        if (!again || ended.signal.aborted) return;
        again = false;
        look();
      });
    };

    const unlisten = listen({
      events: (from, events) => {
        if (from !== jobId) return;
        for (const event of events) if (!isPhotoEvent(event)) setEta(event.etaSeconds ?? null);
        if (early) {
          early.push(...events);
          return;
        }
        // News that does not follow on what is known here: some was told to nobody, while nobody had asked for it.
        const known = store.getState().jobs.get(jobId)?.seq ?? 0;
        const first = events.find(({ seq }) => seq !== undefined && seq > known)?.seq;
        store.dispatch({ type: 'events', jobId, events });
        store.flush();
        if (first !== undefined && first > known + 1) look();
      },
      job: (event) => {
        const known = store.getState().jobs.get(jobId);
        if (event.jobId === jobId && (event.seq ?? 0) > (known?.seq ?? 0)) look();
      },
    });
    const unsubscribe = connectionStore.subscribe(({ live }, before) => {
      // What happened until now was told to nobody.
      if (live === 'live' && before.live !== 'live') look();
    });
    look();
    return () => {
      ended.abort();
      unlisten();
      unsubscribe();
    };
  }, [jobId, store]);

  return { store, job, missing, etaSeconds };
}
