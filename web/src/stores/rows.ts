import type { JobStatus, PhotoStatus, Stage } from '../types/wire';
import type { Phase } from '../lib/upload/engine';

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

export function jobEnded(status: JobStatus): boolean {
  return status !== 'QUEUED' && status !== 'IN_PROGRESS';
}

/** Bytes weigh so many of the 100 points, the stages of processing the rest. */
export const UPLOAD_POINTS = 70;

/** The percent of an upload that has sent `sent` of `total` bytes, one decimal, rounded down. */
export function uploadPercent(sent: number, total: number): number {
  return total > 0 ? Math.floor((UPLOAD_POINTS * 10 * Math.min(sent, total)) / total) / 10 : 0;
}
