import { type Group, groupOf, type JobRow, type PhotoRow, type Totals, type UploadState } from './rows';

/** A state under change: maps are copied once, sums follow every row that is put. */
export class Draft {
  readonly photos: Map<string, PhotoRow>;
  readonly jobs: Map<string, JobRow>;
  readonly cleared: Set<string>;
  speed: number;
  private readonly counts: Record<Group, number>;
  private readonly totals: Totals;
  private regrouped = false;
  private reordered = false;

  constructor(private readonly before: UploadState) {
    this.photos = new Map(before.photos);
    this.jobs = new Map(before.jobs);
    this.cleared = new Set(before.cleared);
    this.counts = { ...before.counts };
    this.totals = { ...before.totals };
    this.speed = before.speed;
  }

  /** Put a new or changed row in its place. */
  put(row: PhotoRow): void {
    const old = this.photos.get(row.photoId);
    if (old === row) return;
    if (old) this.count(old, -1);
    this.count(row, 1);
    if (!old || groupOf(old) !== groupOf(row)) this.regrouped = true;
    this.photos.set(row.photoId, row);
  }

  /** The job, known or new. */
  job(jobId: string): JobRow {
    const known = this.jobs.get(jobId);
    if (known) return known;
    const job: JobRow = { jobId, status: 'QUEUED', seq: 0, statusSeq: 0, photoIds: [], gone: 0 };
    this.jobs.set(jobId, job);
    return job;
  }

  /** Rows of a job, listed behind those that it has. */
  join(jobId: string, photoIds: readonly string[]): void {
    const job = this.job(jobId);
    const have = new Set(job.photoIds);
    const fresh = photoIds.filter((photoId) => !have.has(photoId));
    if (fresh.length === 0) return;
    this.jobs.set(jobId, { ...job, photoIds: [...job.photoIds, ...fresh] });
    this.reordered = true;
  }

  /** Take rows away for good. */
  clear(photoIds: readonly string[]): void {
    const touched = new Set<string>();
    for (const photoId of photoIds) {
      const row = this.photos.get(photoId);
      if (!row) continue;
      this.count(row, -1);
      this.photos.delete(photoId);
      this.cleared.add(photoId);
      touched.add(row.jobId);
    }
    for (const jobId of touched) {
      const job = this.job(jobId);
      const photoIds = job.photoIds.filter((photoId) => this.photos.has(photoId));
      this.jobs.set(jobId, { ...job, photoIds, gone: job.gone + job.photoIds.length - photoIds.length });
    }
    if (touched.size) this.reordered = this.regrouped = true;
  }

  done(): UploadState {
    const order = this.reordered ? [...this.jobs.values()].reverse().flatMap((job) => job.photoIds) : this.before.order;
    return {
      photos: this.photos,
      jobs: this.jobs,
      order,
      counts: this.counts,
      totals: this.totals,
      membership: this.before.membership + (this.regrouped || this.reordered ? 1 : 0),
      cleared: this.cleared,
      speed: this.speed,
    };
  }

  private count(row: PhotoRow, sign: 1 | -1): void {
    const group = groupOf(row);
    const weight = Math.max(row.bytes, 1);
    this.counts[group] += sign;
    if (group === 'cancelled') return; // nothing more is expected of it
    if (group !== 'failed') {
      this.totals.bytes += sign * row.bytes;
      this.totals.bytesSent += sign * row.bytesSent;
    }
    this.totals.weight += sign * weight;
    // In tenths, which are whole: a sum that is added to and taken from must not drift.
    this.totals.work += sign * weight * Math.round(row.percent * 10);
  }
}
