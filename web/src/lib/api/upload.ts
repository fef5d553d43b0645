import type {
  CreateJob,
  EventsSince,
  FileIn,
  Finalized,
  FinalizeMultipartUploadRequest,
  Item,
  JobCreated,
  Jobs,
  KnownPhoto,
  Snapshot,
  StoredParts,
  Urls,
} from '../../types/wire';
import type { ApiClient } from './client';

/** The commands and queries of uploads, one function each. */
export class UploadApi {
  constructor(private readonly client: ApiClient) {}

  createJob(body: CreateJob, idempotencyKey: string, signal?: AbortSignal): Promise<JobCreated> {
    const headers = { 'idempotency-key': idempotencyKey };
    return this.client.call('/commands/upload-jobs', { method: 'POST', body, headers, signal });
  }

  addFiles(jobId: string, files: FileIn[], signal?: AbortSignal): Promise<{ items: Item[] }> {
    return this.client.call(`/commands/upload-jobs/${jobId}/files`, { method: 'POST', body: { files }, signal });
  }

  /** URLs of these parts, or of a photo that goes whole. */
  urls(photoId: string, partNumbers?: number[], signal?: AbortSignal): Promise<Urls> {
    const body = partNumbers ? { partNumbers } : {};
    return this.client.call(`/commands/upload/${photoId}/urls`, { method: 'POST', body, signal });
  }

  finalize(photoId: string, body: FinalizeMultipartUploadRequest, signal?: AbortSignal): Promise<void> {
    return this.client.call(`/commands/upload/${photoId}/finalize`, { method: 'POST', body, signal });
  }

  /** Finalize up to 1,000 photos; what is wrong with one, its own call would have answered. */
  finalizeAll(items: (FinalizeMultipartUploadRequest & { photoId: string })[]): Promise<{ items: Finalized[] }> {
    return this.client.call('/commands/upload/finalize', { method: 'POST', body: { items } });
  }

  storedParts(photoId: string, signal?: AbortSignal): Promise<StoredParts> {
    return this.client.call(`/queries/upload/${photoId}/parts`, { signal });
  }

  /** Photos of the library that have the name and the size of one of these files, at most 1,000 of them. */
  known(files: { filename: string; bytes: number }[], signal?: AbortSignal): Promise<{ items: KnownPhoto[] }> {
    return this.client.call('/queries/photos/known', { method: 'POST', body: { files }, signal });
  }

  cancelPhoto(photoId: string): Promise<void> {
    return this.client.call(`/commands/upload/${photoId}/cancel`, { method: 'POST' });
  }

  retryPhoto(photoId: string): Promise<void> {
    return this.client.call(`/commands/upload/${photoId}/retry`, { method: 'POST' });
  }

  cancelJob(jobId: string): Promise<void> {
    return this.client.call(`/commands/upload-jobs/${jobId}/cancel`, { method: 'POST' });
  }

  retryJob(jobId: string): Promise<void> {
    return this.client.call(`/commands/upload-jobs/${jobId}/retry`, { method: 'POST' });
  }

  activeJobs(cursor?: string, signal?: AbortSignal): Promise<Jobs> {
    return this.client.call('/queries/upload-jobs', { query: { status: 'active', cursor }, signal });
  }

  /** A job's events after `after`; where there are none yet, waits for the first up to `waitSeconds` (at most 25). */
  events(jobId: string, after: number, waitSeconds: number, signal?: AbortSignal): Promise<EventsSince> {
    return this.client.call(`/queries/upload-jobs/${jobId}/events`, { query: { after, waitSeconds }, signal });
  }

  /** How much was sent of up to 1,000 photos that go straight to another store. */
  progress(updates: readonly { photoId: string; bytesSent: number; bytesTotal: number }[]): Promise<void> {
    return this.client.call('/commands/upload/progress', { method: 'POST', body: { updates } });
  }

  /** The receipt of a job, to be saved as it comes. */
  receipt(jobId: string, format: 'csv' | 'json'): Promise<Blob> {
    return this.client.fetch(`/queries/upload-jobs/${jobId}/receipt${format === 'csv' ? '.csv' : ''}`);
  }

  snapshot(jobId: string, signal?: AbortSignal): Promise<Snapshot> {
    return this.client.call(`/queries/upload-jobs/${jobId}`, { signal });
  }
}
