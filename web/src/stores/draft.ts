import { type Layered, LayeredDraft } from './layered';
import { groupOf, jobEnded, type JobRow, type PhotoRow, type UploadState } from './rows';
import { NOTHING, type Tally, TallyDraft } from './tally';

/** A state under change: what is not touched keeps its identity, sums follow every row that is put. */
export class Draft {
  readonly photos: LayeredDraft<string, PhotoRow>;
  readonly jobs: LayeredDraft<string, JobRow>;
  speed: number;
  private cleared: ReadonlyMap<string, ReadonlySet<string>>;
  private readonly all: TallyDraft;
  private readonly tallies = new Map<string, TallyDraft>();
  private forgotten: ReadonlyMap<string, number>;
  private readonly gone: string[] = [];
  private regrouped = false;
  private reordered = false;

  constructor(private readonly before: UploadState) {
    this.photos = new LayeredDraft(before.photos);
    this.jobs = new LayeredDraft(before.jobs);
    this.cleared = before.cleared;
    this.forgotten = before.forgotten;
    this.all = new TallyDraft(before);
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
    const seq = Math.max(0, this.forgottenAt(jobId));
    const job: JobRow = { jobId, status: 'QUEUED', seq, statusSeq: seq, photoIds: [], gone: 0 };
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
    const gone = new Map<string, Set<string>>();
    for (const photoId of photoIds) {
      const row = this.photos.get(photoId);
      if (!row) continue;
      this.count(row, -1);
      gone.set(row.jobId, (gone.get(row.jobId) ?? new Set()).add(photoId));
    }
    if (gone.size === 0) return;
    this.photos.deleteAll(photoIds);
    const cleared = new Map(this.cleared);
    for (const [jobId, ids] of gone) {
      const job = this.job(jobId);
      const left = job.photoIds.filter((photoId) => !ids.has(photoId));
      this.jobs.set(jobId, { ...job, photoIds: left, gone: job.gone + ids.size });
      cleared.set(jobId, new Set([...(cleared.get(jobId) ?? []), ...ids]));
    }
    this.cleared = cleared;
    this.reordered = this.regrouped = true;
    for (const jobId of gone.keys()) this.forgetIfOver(jobId);
  }

  /** An ended job all of whose rows were cleared away goes with them, as soon as all its news has come. */
  forgetIfOver(jobId: string): void {
    const job = this.jobs.get(jobId);
    if (!job || job.gone === 0 || job.photoIds.length > 0 || !jobEnded(job.status) || job.seq < job.statusSeq) return;
    this.jobs.deleteAll([jobId]);
    this.gone.push(jobId);
    this.forgotten = new Map(this.forgotten).set(jobId, job.seq);
    const cleared = new Map(this.cleared);
    cleared.delete(jobId);
    this.cleared = cleared;
  }

  wasCleared(jobId: string, photoId: string): boolean {
    return this.cleared.get(jobId)?.has(photoId) ?? false;
  }

  /** The `seq` at which an ended job was cleared away as a whole; -1 for any other. */
  forgottenAt(jobId: string): number {
    return this.forgotten.get(jobId) ?? -1;
  }

  done(): UploadState {
    const jobs = this.jobs.done();
    const order = this.reordered ? [...jobs.values()].reverse().flatMap((job) => job.photoIds) : this.before.order;
    return {
      ...this.all.done(),
      photos: this.photos.done(),
      jobs,
      order,
      tallies: this.sums(),
      membership: this.before.membership + (this.regrouped || this.reordered ? 1 : 0),
      cleared: this.cleared,
      forgotten: this.forgotten,
      speed: this.speed,
    };
  }

  private sums(): Layered<string, Tally> {
    const sums = new LayeredDraft(this.before.tallies);
    for (const [jobId, tally] of this.tallies) sums.set(jobId, tally.done());
    if (this.gone.length > 0) sums.deleteAll(this.gone);
    return sums.done();
  }

  private count(row: PhotoRow, sign: 1 | -1): void {
    let ofJob = this.tallies.get(row.jobId);
    if (!ofJob) this.tallies.set(row.jobId, (ofJob = new TallyDraft(this.before.tallies.get(row.jobId) ?? NOTHING)));
    ofJob.count(row, sign);
    this.all.count(row, sign);
  }
}
