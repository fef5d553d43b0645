import { describe, expect, it } from 'vitest';
import { overallPercent } from '../src/components/progress/overall';
import { rowsOfTab } from '../src/components/progress/tabs';
import { JobFollower } from '../src/lib/websocket/follow';
import { type Action, EMPTY, reduce } from '../src/stores/reduce';
import { canRetry, groupOf, knownJobs, type PhotoRow, type UploadState } from '../src/stores/rows';
import { createUploadStore } from '../src/stores/uploadStore';
import type { Item, JobStatusUpdate, PhotoState, ProgressUpdate, Snapshot } from '../src/types/wire';

const JOB = 'job_1';

function item(photoId: string, more: Partial<Item> = {}): Item {
  return { photoId, method: 'PUT', presignedUrl: '/storage/x', ...more };
}

const declared = (...items: Item[]): Action => ({
  type: 'declared',
  jobId: JOB,
  items,
  files: items.map(({ photoId }) => ({ filename: `${photoId}.jpg`, relativePath: null, bytes: 1_000 })),
});

function progress(photoId: string, more: Partial<ProgressUpdate>): ProgressUpdate {
  return {
    jobId: JOB,
    photoId,
    status: 'UPLOADING',
    progressPercent: 0,
    bytesSent: 0,
    bytesTotal: 1_000,
    attempt: 1,
    timestamp: '2026-01-01T00:00:00.000Z',
    ...more,
  };
}

function jobStatus(more: Partial<JobStatusUpdate>): JobStatusUpdate {
  return {
    jobId: JOB,
    status: 'IN_PROGRESS',
    totalCount: 1,
    completedCount: 0,
    failedCount: 0,
    cancelledCount: 0,
    bytesTotal: 1_000,
    bytesSent: 0,
    progressPercent: 0,
    timestamp: '2026-01-01T00:00:00.000Z',
    ...more,
  };
}

function snapshot(seq: number, status: string, ...photos: Partial<PhotoState>[]): Snapshot {
  return {
    ...jobStatus({}),
    status,
    seq,
    photos: photos.map((photo) => ({
      photoId: 'ph_1',
      filename: 'ph_1.jpg',
      bytes: 1_000,
      status: 'QUEUED',
      progressPercent: 0,
      bytesSent: 0,
      attempt: 1,
      ...photo,
    })),
    createdAt: '',
    updatedAt: '',
    expiresAt: '',
  };
}

const events = (...list: (ProgressUpdate | JobStatusUpdate)[]): Action => ({
  type: 'events',
  jobId: JOB,
  events: list,
});
const after = (...actions: Action[]) => reduce(EMPTY, actions);
const row = (state: UploadState, photoId = 'ph_1') => {
  const found = state.photos.get(photoId);
  if (!found) throw new Error(`no row ${photoId}`);
  return found;
};

describe('events', () => {
  it('are applied in order, each once', () => {
    const uploading = progress('ph_1', { seq: 1 });
    const processing = progress('ph_1', { seq: 2, status: 'PROCESSING', progressPercent: 70, bytesSent: 1_000 });
    const once = after(declared(item('ph_1')), events(uploading, processing));
    const twice = reduce(once, [events(uploading, processing)]);
    expect(row(once)).toMatchObject({ status: 'PROCESSING', percent: 70, bytesSent: 1_000 });
    expect(row(twice)).toBe(row(once));
    expect(twice.jobs.get(JOB)?.seq).toBe(2);
  });

  it('never lower the percent of an attempt, nor lead back, nor follow an end', () => {
    const state = after(
      declared(item('ph_1')),
      events(
        progress('ph_1', { status: 'PROCESSING', stage: 'THUMBNAILS', progressPercent: 85 }),
        progress('ph_1', { status: 'PROCESSING', stage: 'VERIFYING', progressPercent: 72 }),
        progress('ph_1', { status: 'UPLOADING', progressPercent: 12 }),
      ),
    );
    expect(row(state)).toMatchObject({ status: 'PROCESSING', stage: 'THUMBNAILS', percent: 85 });
    const ended = reduce(state, [
      events(
        progress('ph_1', { status: 'COMPLETED', progressPercent: 100 }),
        progress('ph_1', { status: 'PROCESSING', progressPercent: 95 }),
        progress('ph_1', { status: 'FAILED', progressPercent: 95 }),
      ),
    ]);
    expect(row(ended)).toMatchObject({ status: 'COMPLETED', stage: null, percent: 100 });
  });

  it('begin anew with a new attempt, and ignore the old one', () => {
    const failed = progress('ph_1', { seq: 1, status: 'FAILED', progressPercent: 40, errorCode: 'x', message: 'Why.' });
    const again = progress('ph_1', { seq: 2, status: 'QUEUED', attempt: 2 });
    const late = progress('ph_1', { status: 'UPLOADING', progressPercent: 60, attempt: 1 });
    const before = after(declared(item('ph_1')), events(failed));
    expect(row(before)).toMatchObject({ status: 'FAILED', errorCode: 'x', errorMessage: 'Why.' });
    const state = reduce(before, [events(again, late)]);
    expect(row(state)).toMatchObject({ status: 'QUEUED', percent: 0, attempt: 2, errorMessage: null });
  });

  it('of another way do not count as seen in order', () => {
    const state = after(
      declared(item('ph_1')),
      { type: 'job', event: jobStatus({ seq: 9, status: 'COMPLETED' }) },
      events(progress('ph_1', { seq: 1, status: 'COMPLETED', progressPercent: 100 })),
    );
    expect(state.jobs.get(JOB)).toMatchObject({ status: 'COMPLETED', seq: 1 });
    expect(row(state).status).toBe('COMPLETED');
    // The older news of the job itself does not undo the newer.
    const replayed = reduce(state, [events(jobStatus({ seq: 2, status: 'IN_PROGRESS' }))]);
    expect(replayed.jobs.get(JOB)).toMatchObject({ status: 'COMPLETED', seq: 2 });
  });

  it('of another way do not end the watch over a job whose own are still to come', () => {
    const watched = new Set<string>();
    let state = after(declared(item('ph_1')), events(progress('ph_1', { seq: 1 })));
    const follower = new JobFollower({
      live: { watch: (jobId) => watched.add(jobId), unwatch: (jobId) => watched.delete(jobId) },
      activeJobs: () => Promise.reject(new Error('not asked for here')),
      snapshot: () => Promise.reject(new Error('not asked for here')),
      known: () => knownJobs(state),
      declaring: () => false,
      onJob: (event) => {
        state = reduce(state, [{ type: 'job', event }]);
      },
      onSnapshot: () => undefined,
    });
    follower.arrange();
    const ended = jobStatus({ seq: 3, status: 'COMPLETED', completedCount: 1 });
    follower.jobTold(ended);
    follower.arrange();
    expect([...watched]).toEqual([JOB]);
    state = reduce(state, [events(progress('ph_1', { seq: 2, status: 'COMPLETED', progressPercent: 100 }), ended)]);
    follower.arrange();
    expect([...watched]).toEqual([]);
    expect(row(state).status).toBe('COMPLETED');
  });
});

describe('declaration', () => {
  it('shows at once what can never succeed, and what is there already', () => {
    const state = after(
      declared(
        item('ph_1', { presignedUrl: null, errorCode: 'empty-file', errorMessage: 'The file is empty.' }),
        item('ph_2', { presignedUrl: null, duplicateOf: 'ph_0' }),
        item('ph_3'),
      ),
    );
    expect(row(state)).toMatchObject({ status: 'FAILED', errorMessage: 'The file is empty.' });
    expect(row(state, 'ph_2')).toMatchObject({ status: 'COMPLETED', percent: 100, duplicateOf: 'ph_0' });
    expect(state.counts).toEqual({ active: 1, completed: 1, failed: 1, cancelled: 0 });
    expect(rowsOfTab(state, 'failed')).toEqual(['ph_1']);
  });

  it('lists the newest job first, each in the order declared', () => {
    const second = { ...declared(item('ph_3')), jobId: 'job_2' } as Action;
    const state = after(declared(item('ph_1')), second, declared(item('ph_2')));
    expect(state.order).toEqual(['ph_3', 'ph_1', 'ph_2']);
  });

  it('keeps what events said before it', () => {
    const state = after(
      { type: 'snapshot', snapshot: snapshot(4, 'IN_PROGRESS', { status: 'UPLOADING' }) },
      declared(item('ph_1')),
    );
    expect(row(state)).toMatchObject({ status: 'UPLOADING', held: true });
    expect(state.order).toEqual(['ph_1']);
  });
});

describe('what this page knows', () => {
  it('moves the bar by bytes sent, up to what bytes weigh', () => {
    const state = after(declared(item('ph_1')), { type: 'bytes', photoId: 'ph_1', sent: 500 });
    expect(row(state)).toMatchObject({ percent: 35, bytesSent: 500, status: 'QUEUED' });
    const back = reduce(state, [{ type: 'bytes', photoId: 'ph_1', sent: 100 }]);
    expect(row(back)).toMatchObject({ percent: 35, bytesSent: 100 });
    const all = reduce(back, [{ type: 'bytes', photoId: 'ph_1', sent: 1_000 }]);
    expect(row(all).percent).toBe(70);
    // The server's word goes before the page's.
    const processing = events(progress('ph_1', { status: 'PROCESSING', progressPercent: 72, bytesSent: 1_000 }));
    const late = reduce(all, [processing, { type: 'bytes', photoId: 'ph_1', sent: 3 }]);
    expect(row(late)).toMatchObject({ percent: 72, bytesSent: 1_000 });
  });

  it('counts an upload that it gave up as failed, until the server says more', () => {
    const failure = { code: 'upload-stopped', message: 'Choose it again.' };
    const state = after(declared(item('ph_1')), { type: 'phase', photoId: 'ph_1', phase: 'failed', failure });
    expect(groupOf(row(state))).toBe('failed');
    expect(row(state).errorMessage).toBe('Choose it again.');
    const waiting = reduce(state, [{ type: 'phase', photoId: 'ph_1', phase: 'waiting' }]);
    expect(row(waiting)).toMatchObject({ errorMessage: null, phase: 'waiting' });
    const done = reduce(state, [events(progress('ph_1', { status: 'COMPLETED', progressPercent: 100 }))]);
    expect(row(done)).toMatchObject({ phase: null, errorMessage: null });
  });

  it('retries without waiting for the event, and not twice', () => {
    const failed = events(progress('ph_1', { seq: 1, status: 'FAILED', progressPercent: 70 }));
    const retried: Action = { type: 'retried', photoId: 'ph_1', status: 'QUEUED' };
    const state = after(declared(item('ph_1')), failed, retried, retried);
    expect(row(state)).toMatchObject({ status: 'QUEUED', attempt: 2, percent: 0 });
    const told = reduce(state, [events(progress('ph_1', { seq: 2, status: 'QUEUED', attempt: 2 }))]);
    expect(row(told)).toMatchObject({ status: 'QUEUED', attempt: 2 });
  });

  it('forgets a job that was cleared away before its end was told, once it is told', () => {
    const completed = { status: 'COMPLETED', progressPercent: 100 } as const;
    const cleared = after(declared(item('ph_1')), events(progress('ph_1', { seq: 2, ...completed })), {
      type: 'cleared',
      photoIds: ['ph_1'],
    });
    expect([cleared.jobs.size, cleared.cleared.size]).toEqual([1, 1]);
    const end = jobStatus({ seq: 3, status: 'COMPLETED' });
    // Among the news of all jobs it may come before the job's own.
    const heard = reduce(cleared, [{ type: 'job', event: end }]);
    expect([...knownJobs(heard)].map(({ ended }) => ended)).toEqual([false]);
    const over = reduce(heard, [events(end)]);
    expect([over.jobs.size, over.tallies.size, over.cleared.size]).toEqual([0, 0, 0]);
    expect(reduce(over, [events(progress('ph_1', { seq: 2, ...completed }), end)]).jobs.size).toBe(0);
  });

  it('clears rows for good: a snapshot does not bring them back', () => {
    const state = after(declared(item('ph_1'), item('ph_2')), { type: 'cleared', photoIds: ['ph_1'] });
    const seen = reduce(state, [{ type: 'snapshot', snapshot: snapshot(3, 'IN_PROGRESS', {}, { photoId: 'ph_2' }) }]);
    expect(seen.order).toEqual(['ph_2']);
    expect(seen.jobs.get(JOB)).toMatchObject({ photoIds: ['ph_2'], gone: 1 });
  });
});

it('forgets an ended job with its last row, until something new is told of it', () => {
  const ended = snapshot(5, 'COMPLETED', { status: 'COMPLETED', progressPercent: 100 });
  const shown = after({ type: 'snapshot', snapshot: ended });
  const gone = reduce(shown, [{ type: 'cleared', photoIds: ['ph_1'] }]);
  expect([gone.jobs.size, gone.tallies.size, gone.cleared.size, gone.order.length]).toEqual([0, 0, 0, 0]);
  // What was asked before it was cleared away, and is answered only now.
  const late = reduce(gone, [{ type: 'snapshot', snapshot: ended }, events(progress('ph_1', { seq: 5 }))]);
  expect([late.photos.size, late.order.length, late.counts.completed]).toEqual([0, 0, 0]);
  const again = reduce(late, [{ type: 'snapshot', snapshot: snapshot(6, 'IN_PROGRESS', { attempt: 2 }) }]);
  expect(again.order).toEqual(['ph_1']);
});

describe('sums', () => {
  it('follow every change, whatever the order', () => {
    // A small generator, so that every run is the same.
    let seed = 42;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % below;
    };
    const ids = Array.from({ length: 20 }, (_, n) => `ph_${n}`);
    const statuses = ['QUEUED', 'UPLOADING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
    let state = after(declared(...ids.map((photoId) => item(photoId))));
    for (let step = 0; step < 2_000; step++) {
      const photoId = ids[random(ids.length)] ?? '';
      const before = state.photos.get(photoId);
      const kind = random(10);
      const action: Action =
        kind < 6
          ? events(
              progress(photoId, {
                status: statuses[random(6)] ?? 'QUEUED',
                progressPercent: random(1_001) / 10,
                bytesSent: random(1_001),
                attempt: 1 + random(3),
              }),
            )
          : kind < 8
            ? { type: 'bytes', photoId, sent: random(1_001) }
            : kind < 9
              ? { type: 'phase', photoId, phase: random(2) ? 'failed' : 'sending' }
              : { type: 'retried', photoId, status: 'QUEUED' };
      state = reduce(state, [action]);
      const now = row(state, photoId);
      if (before?.attempt === now.attempt) expect(now.percent).toBeGreaterThanOrEqual(before.percent);
    }
    const rows = [...state.photos.values()];
    for (const group of ['active', 'completed', 'failed', 'cancelled'] as const)
      expect(state.counts[group]).toBe(rows.filter((one) => groupOf(one) === group).length);
    const counted = rows.filter((one) => groupOf(one) !== 'cancelled');
    expect(state.totals.weight).toBe(counted.length * 1_000);
    expect(state.retryable).toBe(rows.filter(canRetry).length);
    const { counts, totals, sending, paused, retryable, speed } = state;
    expect(state.tallies.get(JOB)).toEqual({ counts, totals, sending, paused, retryable, speed });
    const done = (one: PhotoRow) => (groupOf(one) === 'failed' ? 1_000 : Math.round(one.percent * 10));
    expect(state.totals.work).toBe(counted.reduce((sum, one) => sum + 1_000 * done(one), 0));
  });

  it('reach 100 exactly when nothing is left to do, as the server has it', () => {
    const done = (photoId: string) =>
      progress(photoId, { status: 'COMPLETED', progressPercent: 100, bytesSent: 1_000 });
    const one = after(declared(item('ph_1'), item('ph_2')), events(done('ph_1')));
    expect(overallPercent(one.totals)).toBe(50);
    expect(overallPercent(reduce(one, [events(done('ph_2'))]).totals)).toBe(100);
    const failed = progress('ph_2', { status: 'FAILED', progressPercent: 30, errorCode: 'damaged-image' });
    expect(overallPercent(reduce(one, [events(failed)]).totals)).toBe(100);
    expect(overallPercent(EMPTY.totals)).toBe(0);
  });
});

describe('the store', () => {
  it('makes one change of all that comes within a frame, and keeps only the newest bytes', () => {
    const frames: (() => void)[] = [];
    const store = createUploadStore((flush) => frames.push(flush));
    let changes = 0;
    store.subscribe(() => changes++);
    store.dispatch(declared(item('ph_1'), item('ph_2')));
    for (let sent = 0; sent <= 900; sent += 100) store.dispatch({ type: 'bytes', photoId: 'ph_1', sent });
    expect(frames).toHaveLength(1);
    const untouched = store.getState();
    expect(untouched).toBe(EMPTY);
    frames[0]?.();
    expect(changes).toBe(1);
    expect(row(store.getState()).bytesSent).toBe(900);
    const second = row(store.getState(), 'ph_2');
    store.dispatch({ type: 'bytes', photoId: 'ph_1', sent: 1_000 });
    frames[1]?.();
    expect(row(store.getState(), 'ph_2')).toBe(second);
  });
});
