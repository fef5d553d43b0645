/** The wire: what OpenAPI describes, under short names, and what it cannot describe, the events of the live channel. */
import type { components } from './api';

type Schemas = components['schemas'];

export type FileIn = Schemas['FileIn'];
export type CreateJob = Omit<Schemas['CreateJobIn'], 'strategy'> & { strategy?: Schemas['CreateJobIn']['strategy'] };
export type JobCreated = Schemas['JobCreatedOut'];
export type Item = Schemas['ItemOut'];
export type PartUrl = Schemas['PartUrlOut'];
export type Urls = Schemas['UrlsOut'];
export type StoredParts = Schemas['PartsOut'];
export type FinalizeMultipartUploadRequest = Schemas['FinalizeIn'];
export type Finalized = Schemas['FinalizedOut'];
export type Job = Schemas['JobOut'];
export type Jobs = Schemas['JobsOut'];
export type Snapshot = Schemas['SnapshotOut'];
export type PhotoState = Schemas['PhotoStateOut'];
export type Summary = Schemas['SummaryOut'];
export type Photo = Schemas['PhotoOut'];
export type Listing = Schemas['ListingOut'];
export type Timeline = Schemas['TimelineOut'];
export type Day = Schemas['DayOut'];
export type KnownPhoto = Schemas['KnownPhotoOut'];
export type Download = Schemas['DownloadOut'];
export type SignedIn = Schemas['SignedInOut'];
export type LiveConnection = Schemas['ConnectionOut'];
export type LiveConnections = Schemas['ConnectionsOut'];
export type Problem = Schemas['Problem'];

export type PhotoStatus = 'QUEUED' | 'UPLOADING' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
export type Stage = 'VERIFYING' | 'METADATA' | 'THUMBNAILS' | 'PUBLISHING';
export type JobStatus = 'QUEUED' | 'IN_PROGRESS' | 'COMPLETED' | 'COMPLETED_WITH_ERRORS' | 'FAILED' | 'CANCELLED';

/** A photo's news. With `seq` it is durable and in order; without, only the newest counts. */
export interface ProgressUpdate {
  jobId: string;
  photoId: string;
  status: PhotoStatus;
  stage?: Stage;
  progressPercent: number;
  bytesSent: number;
  bytesTotal: number;
  attempt: number;
  message?: string;
  errorCode?: string;
  seq?: number;
  timestamp: string;
}

/** A job's news: that it has no `photoId` tells it apart. */
export interface JobStatusUpdate {
  jobId: string;
  status: JobStatus;
  totalCount: number;
  completedCount: number;
  failedCount: number;
  cancelledCount: number;
  bytesTotal: number;
  bytesSent: number;
  progressPercent: number;
  etaSeconds?: number;
  seq?: number;
  timestamp: string;
}

export type LiveEvent = ProgressUpdate | JobStatusUpdate;

/** The answer of the long poll. `reset`: the events are no longer all there, take the snapshot. */
export interface EventsSince {
  events: LiveEvent[];
  seq: number;
  reset?: boolean;
}

export function isPhotoEvent(event: LiveEvent): event is ProgressUpdate {
  return 'photoId' in event;
}
