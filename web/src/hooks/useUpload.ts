import { useCallback, useEffect, useMemo, useState } from 'react';
import { currentEngine, previews, uploadApi, uploads } from '../app';
import { sentenceOf } from '../lib/api/errors';
import { resumption } from '../resume';
import { handlesOfDrop } from '../lib/upload/keeping/roots';
import { entriesOfDrop, filesOfDrop, filesOfPicker, type SourceFile } from '../lib/upload/source';
import { validate } from '../lib/upload/validate';
import { leaveOut } from '../stores/leftOutStore';
import { notify } from '../stores/noticeStore';
import { canRetry, type Group, groupOf, type PhotoRow } from '../stores/rows';
import { say } from '../texts';

/** Rows of these groups as they are now, of one job or (null) of all. */
function rowsOf(jobId: string | null, ...groups: Group[]): PhotoRow[] {
  const rows: PhotoRow[] = [];
  for (const row of uploads.getState().photos.values())
    if ((jobId === null || row.jobId === jobId) && groups.includes(groupOf(row))) rows.push(row);
  return rows;
}

function idsOf(rows: PhotoRow[]): string[] {
  return rows.map((row) => row.photoId);
}

async function saying(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) notify(sentenceOf(error));
  }
}

/** Where the live channel is away, its news of a command is fetched at once. */
async function look(jobIds: Iterable<string>): Promise<void> {
  for (const jobId of new Set(jobIds)) {
    const snapshot = await uploadApi.snapshot(jobId);
    uploads.dispatch({ type: 'snapshot', snapshot });
    for (const photo of snapshot.photos) currentEngine().told(photo.photoId, photo.status as 'QUEUED', photo.attempt);
  }
}

const actions = {
  pause: (photoId: string) => {
    currentEngine().pause([photoId]);
  },
  resume: (photoId: string) => {
    currentEngine().resume([photoId]);
  },
  /** Send these before all others. */
  front: (photoIds: readonly string[]) => {
    currentEngine().front(photoIds);
  },
  cancel: (photoId: string) => saying(currentEngine().cancel([photoId])),
  retry: (row: PhotoRow) => {
    if (row.phase === 'failed') currentEngine().resume([row.photoId]);
    else
      void saying(
        currentEngine()
          .retry([row.photoId])
          .then(() => look([row.jobId])),
      );
  },
  clear: (photoIds: readonly string[]) => {
    currentEngine().forget(photoIds);
    previews.forget(photoIds);
    uploads.dispatch({ type: 'cleared', photoIds });
  },
  pauseAll: (job: string | null) => {
    currentEngine().pause(job === null ? undefined : idsOf(rowsOf(job, 'active')));
  },
  frontAll: (job: string) => {
    actions.front(idsOf(rowsOf(job, 'active').filter((row) => row.phase === 'waiting')));
  },
  resumeAll: (job: string | null) => {
    currentEngine().resume(idsOf(rowsOf(job, 'active').filter((row) => row.phase === 'paused')));
  },
  cancelAll: (job: string | null) => {
    const active = rowsOf(job, 'active');
    const jobIds = new Set(active.map((row) => row.jobId));
    // Stopped at once; and until the server has heard, nothing new begins.
    currentEngine().pause(idsOf(active));
    return saying(Promise.all([...jobIds].map((jobId) => uploadApi.cancelJob(jobId))).then(() => look(jobIds)));
  },
  retryAll: (job: string | null) => {
    const failed = rowsOf(job, 'failed').filter(canRetry);
    currentEngine().resume(idsOf(failed.filter((row) => row.phase === 'failed')));
    const jobIds = new Set(failed.filter((row) => row.status === 'FAILED').map((row) => row.jobId));
    return saying(Promise.all([...jobIds].map((jobId) => uploadApi.retryJob(jobId))).then(() => look(jobIds)));
  },
  clearAll: (job: string | null) => {
    actions.clear(idsOf(rowsOf(job, 'completed', 'failed', 'cancelled')));
  },
};

/** Everything that one may do with uploads; `preparing` says in words what is not yet a row. */
export function useUpload() {
  const [preparing, setPreparing] = useState<string | null>(null);

  const add = useCallback(async (files: SourceFile[], handles: Promise<FileSystemHandle[]> = Promise.resolve([])) => {
    if (files.length === 0) return;
    setPreparing(say('add.announcing', { count: files.length }));
    try {
      const { sound, leftOut } = await validate(files);
      leaveOut(leftOut);
      await resumption().add(sound, await handles);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'AbortError')) notify(sentenceOf(error));
    } finally {
      setPreparing(null);
    }
  }, []);

  const addPicked = useCallback((list: File[]) => add(filesOfPicker(list)), [add]);

  const addDropped = useCallback(
    async (transfer: DataTransfer) => {
      const entries = entriesOfDrop(transfer);
      const handles = handlesOfDrop(transfer);
      if (entries.length === 0) {
        notify(say('add.noFiles'));
        return;
      }
      setPreparing(say('add.reading'));
      const { files, unreadable } = await filesOfDrop(entries, (count) => {
        setPreparing(say('add.readingSoFar', { count }));
      });
      setPreparing(null);
      leaveOut(unreadable.map(({ path }) => ({ path, reason: 'unreadable' })));
      if (files.length === 0 && unreadable.length === 0) notify(say('add.emptyFolder'));
      await add(files, handles);
    },
    [add],
  );

  useWarningBeforeLeaving();
  return useMemo(() => ({ ...actions, preparing, addPicked, addDropped }), [preparing, addPicked, addDropped]);
}

export const uploadActions = actions;

/** While this page sends, closing it asks first: the files are only in its hands. */
function useWarningBeforeLeaving(): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent) => {
      if (currentEngine().busy) event.preventDefault();
    };
    window.addEventListener('beforeunload', warn);
    return () => {
      window.removeEventListener('beforeunload', warn);
    };
  }, []);
}
