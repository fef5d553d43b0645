import type { Known } from '../lib/websocket/follow';
import type { JobStatus, PhotoStatus, Stage } from '../types/wire';
import type { Phase } from '../lib/upload/engine';
import type { Layered } from './layered';
import type { Tally } from './tally';

/** One photo as the panel shows it. */
export interface PhotoRow {
  photoId: string;
  jobId: string;
  filename: string;
  relativePath: string | null;
  bytes: number;
  /** What the server says. */
  status: PhotoStatus;
  stage: Stage | null;
  percent: number;
  bytesSent: number;
  attempt: number;
  errorCode: string | null;
  errorMessage: string | null;
  duplicateOf: string | null;
  /** Whether this page holds the file. */
  held: boolean;
  /** What this page is doing with it. */
  phase: Phase | null;
  /** Bytes a second. */
  speed: number;
}

export interface JobRow {
  jobId: string;
  status: JobStatus;
  /** The last event that was applied in order. */
  seq: number;
  /** The last that told of the job itself, by whichever way it came. */
  statusSeq: number;
  photoIds: readonly string[];
  /** How many of its rows were cleared away. */
  gone: number;
}

export type Group = 'active' | 'completed' | 'failed' | 'cancelled';

/** All uploads, with the tally of all of them. */
export interface UploadState extends Tally {
  photos: Layered<string, PhotoRow>;
  jobs: Layered<string, JobRow>;
  /** The same sums job by job. */
  tallies: Layered<string, Tally>;
  /** Rows as listed: the newest job first, its photos as declared. */
  order: readonly string[];
  /** Raised whenever a row comes, goes or changes its group. */
  membership: number;
  /** Rows that were cleared away, by job: a snapshot must not bring them back. */
  cleared: ReadonlyMap<string, ReadonlySet<string>>;
  /** Ended jobs all of whose rows were cleared away, and the `seq` that they had: only what is newer brings them back. */
  forgotten: ReadonlyMap<string, number>;
}

/** Where a row belongs in the panel. An upload that this page gave up counts as failed, whatever the server awaits. */
export function groupOf({ status, phase }: Pick<PhotoRow, 'status' | 'phase'>): Group {
  switch (status) {
    case 'COMPLETED':
      return 'completed';
    case 'CANCELLED':
      return 'cancelled';
    case 'FAILED':
      return 'failed';
    case 'QUEUED':
    case 'UPLOADING':
    case 'PROCESSING':
      return phase === 'failed' ? 'failed' : 'active';
  }
}

/** Whether the server waits for a photo's bytes. */
export function awaitsBytes({ status }: Pick<PhotoRow, 'status'>): boolean {
  return status === 'QUEUED' || status === 'UPLOADING';
}

/**
 * Failures that another attempt would meet again: `retryable = False` in the server's errors.py, which answers a retry of
 * them with `not-retryable`. Their sentences say what to do instead.
 */
export const PERMANENT: ReadonlySet<string> = new Set([
  'empty-file',
  'file-too-large',
  'unsupported-type',
  'damaged-image',
  'too-many-pixels',
]);

/** Whether a retry of this row could help. */
export function canRetry(row: Pick<PhotoRow, 'status' | 'phase' | 'errorCode'>): boolean {
  return groupOf(row) === 'failed' && !PERMANENT.has(row.errorCode ?? '');
}

export function jobEnded(status: JobStatus): boolean {
  return status !== 'QUEUED' && status !== 'IN_PROGRESS';
}

/** The jobs as whoever follows them needs to know them. */
export function* knownJobs({ jobs }: Pick<UploadState, 'jobs'>): Generator<Known> {
  for (const { jobId, status, seq, statusSeq, photoIds, gone } of jobs.values()) {
    // That a job ended may be heard first among the news of all jobs: it is followed until all its own has come.
    yield { jobId, ended: jobEnded(status) && seq >= statusSeq, seq, photos: photoIds.length + gone };
  }
}

/** Bytes weigh so many of the 100 points, the stages of processing the rest. */
export const UPLOAD_POINTS = 70;

/** The percent of an upload that has sent `sent` of `total` bytes, one decimal, rounded down. */
export function uploadPercent(sent: number, total: number): number {
  return total > 0 ? Math.floor((UPLOAD_POINTS * 10 * Math.min(sent, total)) / total) / 10 : 0;
}
