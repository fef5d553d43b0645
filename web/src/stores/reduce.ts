import type { Item, JobStatusUpdate, LiveEvent, PhotoStatus, ProgressUpdate, Snapshot, Stage } from '../types/wire';
import { isPhotoEvent } from '../types/wire';
import type { Phase } from '../lib/upload/engine';
import { Draft } from './draft';
import { Layered } from './layered';
import { type JobRow, type PhotoRow, type UploadState, uploadPercent } from './rows';
import { NOTHING } from './tally';

export interface DeclaredFile {
  filename: string;
  relativePath: string | null;
  bytes: number;
}

export type Action =
  | { type: 'declared'; jobId: string; items: Item[]; files: DeclaredFile[] }
  | { type: 'events'; jobId: string; events: LiveEvent[] }
  | { type: 'job'; event: JobStatusUpdate }
  | { type: 'snapshot'; snapshot: Snapshot }
  | { type: 'bytes'; photoId: string; sent: number }
  | { type: 'speed'; photoId: string; speed: number }
  | { type: 'totalSpeed'; speed: number }
  | { type: 'phase'; photoId: string; phase: Phase | null; failure?: { code: string; message: string } | undefined }
  | { type: 'retried'; photoId: string; status: 'QUEUED' | 'PROCESSING' }
  | { type: 'cleared'; photoIds: readonly string[] }
  | { type: 'reset' };

export const EMPTY: UploadState = {
  ...NOTHING,
  photos: new Layered(),
  jobs: new Layered(),
  tallies: new Layered(),
  order: [],
  membership: 0,
  cleared: new Map(),
  forgotten: new Map(),
};

const RANK: Record<PhotoStatus, number> = {
  QUEUED: 0,
  UPLOADING: 1,
  PROCESSING: 2,
  COMPLETED: 3,
  FAILED: 3,
  CANCELLED: 3,
};

/** The state after these actions, in order. Everything unchanged keeps its identity. */
export function reduce(state: UploadState, actions: readonly Action[]): UploadState {
  let draft = new Draft(state);
  for (const action of actions) {
    if (action.type === 'reset') draft = new Draft({ ...EMPTY, membership: state.membership + 1 });
    else apply(draft, action);
  }
  return draft.done();
}

function apply(draft: Draft, action: Exclude<Action, { type: 'reset' }>): void {
  switch (action.type) {
    case 'declared':
      declared(draft, action.jobId, action.items, action.files);
      return;
    case 'events':
      for (const event of action.events) told(draft, event);
      draft.forgetIfOver(action.jobId);
      return;
    case 'job':
      jobTold(draft, action.event, false);
      draft.forgetIfOver(action.event.jobId);
      return;
    case 'snapshot':
      snapshot(draft, action.snapshot);
      draft.forgetIfOver(action.snapshot.jobId);
      return;
    case 'totalSpeed':
      draft.speed = action.speed;
      return;
    case 'cleared':
      draft.clear(action.photoIds);
      return;
    case 'bytes':
    case 'speed':
    case 'phase':
    case 'retried': {
      const row = draft.photos.get(action.photoId);
      if (row) draft.put(locally(row, action));
    }
  }
}

/** What this page itself knows of a row. It never changes what the server says. */
function locally(row: PhotoRow, action: Extract<Action, { type: 'bytes' | 'speed' | 'phase' | 'retried' }>): PhotoRow {
  switch (action.type) {
    case 'bytes': {
      if (RANK[row.status] > RANK.UPLOADING) return row;
      const percent = Math.max(row.percent, uploadPercent(action.sent, row.bytes));
      return { ...row, bytesSent: Math.min(action.sent, row.bytes), percent };
    }
    case 'speed':
      return row.speed === action.speed ? row : { ...row, speed: action.speed };
    case 'phase':
      if (action.phase === 'failed' && RANK[row.status] > RANK.PROCESSING) return { ...row, phase: null };
      return {
        ...row,
        phase: action.phase,
        ...(RANK[row.status] <= RANK.PROCESSING && {
          errorCode: action.failure?.code ?? null,
          errorMessage: action.failure?.message ?? null,
        }),
      };
    case 'retried':
      // The event may have been quicker.
      return row.status === 'FAILED' ? { ...row, ...attempt(row.attempt + 1), status: action.status } : row;
  }
}

function attempt(number: number) {
  return { attempt: number, percent: 0, bytesSent: 0, stage: null, errorCode: null, errorMessage: null, phase: null };
}

function declared(draft: Draft, jobId: string, items: Item[], files: DeclaredFile[]): void {
  const ids: string[] = [];
  items.forEach((item, index) => {
    const file = files[index];
    if (!file) return;
    const failed = Boolean(item.errorCode);
    const duplicate = Boolean(item.duplicateOf);
    const known = draft.photos.get(item.photoId);
    ids.push(item.photoId);
    draft.put({
      photoId: item.photoId,
      jobId,
      ...file,
      status: failed ? 'FAILED' : duplicate ? 'COMPLETED' : 'QUEUED',
      stage: null,
      percent: duplicate ? 100 : 0,
      bytesSent: duplicate ? file.bytes : 0,
      attempt: 1,
      errorCode: item.errorCode ?? null,
      errorMessage: item.errorMessage ?? null,
      duplicateOf: item.duplicateOf ?? null,
      speed: 0,
      ...known,
      phase: failed || duplicate ? null : 'waiting',
      held: !failed && !duplicate,
    });
  });
  draft.join(jobId, ids);
}

function told(draft: Draft, event: LiveEvent): void {
  if (event.seq !== undefined && event.seq <= draft.forgottenAt(event.jobId)) return;
  const job = draft.job(event.jobId);
  // Told already, by a replay or by the other way: "exactly once in sight".
  if (event.seq !== undefined && event.seq <= job.seq) return;
  if (isPhotoEvent(event)) {
    const row = draft.photos.get(event.photoId);
    if (row) draft.put(advance(row, event));
    if (event.seq !== undefined) draft.jobs.set(job.jobId, { ...job, seq: event.seq });
  } else {
    jobTold(draft, event, true);
  }
}

/** A row after an event: never back within an attempt, nothing after its end. */
function advance(
  row: PhotoRow,
  event: Omit<ProgressUpdate, 'jobId' | 'timestamp' | 'bytesTotal' | 'photoId'>,
): PhotoRow {
  if (event.attempt < row.attempt) return row;
  const base = event.attempt > row.attempt ? { ...row, ...attempt(event.attempt), status: 'QUEUED' as const } : row;
  const behind = RANK[event.status] - RANK[base.status];
  if (behind < 0 || (RANK[base.status] === RANK.COMPLETED && base.status !== event.status)) return base;
  if (behind === 0 && event.status === 'PROCESSING' && event.progressPercent < base.percent) return base;
  const ended = RANK[event.status] === RANK.COMPLETED;
  const failed = event.status === 'FAILED';
  // While this page sends, it knows better how much has gone out.
  const sent = base.held && RANK[event.status] <= RANK.UPLOADING ? base.bytesSent : event.bytesSent;
  return {
    ...base,
    status: event.status,
    stage: event.stage ?? null,
    percent: Math.max(base.percent, event.progressPercent),
    bytesSent: sent,
    errorCode: failed ? (event.errorCode ?? null) : ended ? null : base.errorCode,
    errorMessage: failed ? (event.message ?? null) : ended ? null : base.errorMessage,
    phase: ended ? null : base.phase,
    speed: ended ? 0 : base.speed,
  };
}

function jobTold(draft: Draft, event: JobStatusUpdate, inOrder: boolean): void {
  const known = draft.jobs.get(event.jobId);
  if (!known && !inOrder) return;
  const job = known ?? draft.job(event.jobId);
  const seq = event.seq ?? job.statusSeq;
  const status = seq >= job.statusSeq ? event.status : job.status;
  draft.jobs.set(job.jobId, {
    ...job,
    status,
    statusSeq: Math.max(seq, job.statusSeq),
    seq: inOrder ? Math.max(seq, job.seq) : job.seq,
  });
}

function snapshot(draft: Draft, { jobId, seq, status, photos }: Snapshot): void {
  if (!draft.jobs.has(jobId) && seq <= draft.forgottenAt(jobId)) return;
  const ids: string[] = [];
  for (const photo of photos) {
    if (draft.wasCleared(jobId, photo.photoId)) continue;
    ids.push(photo.photoId);
    const known = draft.photos.get(photo.photoId);
    const row: PhotoRow = known ?? {
      photoId: photo.photoId,
      jobId,
      filename: photo.filename,
      relativePath: photo.relativePath ?? null,
      bytes: photo.bytes,
      status: 'QUEUED',
      stage: null,
      percent: 0,
      bytesSent: 0,
      attempt: photo.attempt,
      errorCode: null,
      errorMessage: null,
      duplicateOf: photo.duplicateOf ?? null,
      held: false,
      phase: null,
      speed: 0,
    };
    draft.put(
      advance(row, {
        status: photo.status as PhotoStatus,
        ...(photo.stage && { stage: photo.stage as Stage }),
        progressPercent: photo.progressPercent,
        bytesSent: photo.bytesSent,
        attempt: photo.attempt,
        ...(photo.errorCode && { errorCode: photo.errorCode }),
        ...(photo.errorMessage && { message: photo.errorMessage }),
      }),
    );
  }
  draft.join(jobId, ids);
  const job = draft.job(jobId);
  const newer = seq >= job.statusSeq;
  draft.jobs.set(jobId, {
    ...job,
    seq: Math.max(seq, job.seq),
    statusSeq: Math.max(seq, job.statusSeq),
    status: newer ? (status as JobRow['status']) : job.status,
  });
}
