import type { EventsSince, LiveEvent, PhotoState, ProgressUpdate, Snapshot } from '../../types/wire';
import type { Told } from './place';

/** Where the past can be asked for over plain HTTP. */
export interface History {
  events: (jobId: string, after: number, waitSeconds: number, signal: AbortSignal) => Promise<EventsSince>;
  snapshot: (jobId: string, signal: AbortSignal) => Promise<Snapshot>;
}

/** A job's events after `seq`, waiting for the first up to `waitSeconds`; its present state where they are not all there. */
export async function since(
  history: History,
  jobId: string,
  seq: number,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<Told> {
  const { events, reset } = await history.events(jobId, seq, waitSeconds, signal);
  if (!reset) return { events, recovered: 'replay' };
  return { events: eventsOf(await history.snapshot(jobId, signal)), recovered: 'snapshot' };
}

/** A snapshot as the live channel tells it (E13): each photo, then the job with the `seq` reached. */
export function eventsOf({ photos, jobId, updatedAt: timestamp, ...job }: Snapshot): LiveEvent[] {
  const told = photos.map((photo) => progressOf(photo, jobId, timestamp));
  return [...told, { ...job, jobId, timestamp, status: job.status as 'QUEUED' }];
}

function progressOf(photo: PhotoState, jobId: string, timestamp: string): ProgressUpdate {
  return {
    jobId,
    timestamp,
    photoId: photo.photoId,
    status: photo.status as ProgressUpdate['status'],
    progressPercent: photo.progressPercent,
    bytesSent: photo.bytesSent,
    bytesTotal: photo.bytes,
    attempt: photo.attempt,
    ...(photo.stage && { stage: photo.stage as NonNullable<ProgressUpdate['stage']> }),
    ...(photo.errorCode && { errorCode: photo.errorCode }),
    ...(photo.errorMessage && { message: photo.errorMessage }),
  };
}
