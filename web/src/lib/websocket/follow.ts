import type { Jobs, JobStatusUpdate, Snapshot } from '../../types/wire';
import { ApiError, NetworkError } from '../api/errors';
import type { SharedLive } from './tabs';

/** What is known of a job that is shown. */
export interface Known {
  jobId: string;
  /** Whether it has ended, and everything up to its end is known. */
  ended: boolean;
  /** The last event applied. */
  seq: number;
  /** How many of its photos are known, those cleared away included. */
  photos: number;
}

export interface FollowPorts {
  live: Pick<SharedLive, 'watch' | 'unwatch'>;
  activeJobs: (cursor?: string) => Promise<Jobs>;
  snapshot: (jobId: string) => Promise<Snapshot>;
  known: () => Iterable<Known>;
  /** While this page declares files, news of unknown jobs and photos is of its own making. */
  declaring: () => boolean;
  onJob: (event: JobStatusUpdate) => void;
  onSnapshot: (snapshot: Snapshot) => void;
}

/** Keeps every job that has not ended up to date: which of them are to be watched, and when one is to be looked at whole. */
export class JobFollower {
  private readonly watched = new Set<string>();
  private readonly asking = new Set<string>();
  private stopped = false;

  constructor(private readonly ports: FollowPorts) {}

  /** Show what is under way already: uploads of other tabs, other devices, or from before a reload. */
  async begin(): Promise<void> {
    let cursor: string | undefined;
    do {
      const jobs = await this.ports.activeJobs(cursor);
      for (const { jobId } of jobs.items) await this.look(jobId);
      cursor = jobs.nextCursor ?? undefined;
    } while (cursor && !this.stopped);
  }

  /** Watch what is under way, and no longer what has ended. To be called after every change of the jobs known. */
  arrange(): void {
    if (this.stopped) return;
    const forgotten = new Set(this.watched);
    for (const { jobId, ended, seq } of this.ports.known()) {
      forgotten.delete(jobId);
      if (ended === !this.watched.has(jobId)) continue;
      if (ended) {
        this.watched.delete(jobId);
        this.ports.live.unwatch(jobId);
      } else {
        this.watched.add(jobId);
        this.ports.live.watch(jobId, seq);
      }
    }
    for (const jobId of forgotten) {
      this.watched.delete(jobId);
      this.ports.live.unwatch(jobId);
    }
  }

  /** News of one of the caller's jobs, from wherever it runs. */
  jobTold(event: JobStatusUpdate): void {
    const known = this.find(event.jobId);
    if (known) this.ports.onJob(event);
    const ended = event.status !== 'QUEUED' && event.status !== 'IN_PROGRESS';
    const more = known ? event.totalCount > known.photos : !ended;
    if (more && !this.ports.declaring()) void this.look(event.jobId).catch(ignoreUnreachable);
  }

  /** Take a job's present state. */
  async look(jobId: string): Promise<void> {
    if (this.asking.has(jobId)) return;
    this.asking.add(jobId);
    try {
      const snapshot = await this.ports.snapshot(jobId);
      if (!this.stopped) this.ports.onSnapshot(snapshot);
    } finally {
      this.asking.delete(jobId);
    }
  }

  /** A job may not be watched: it is gone. */
  refused(jobId: string): void {
    this.watched.delete(jobId);
  }

  stop(): void {
    this.stopped = true;
  }

  private find(jobId: string): Known | undefined {
    for (const known of this.ports.known()) if (known.jobId === jobId) return known;
    return undefined;
  }
}

/** What could not be asked now is asked again with the next news. */
function ignoreUnreachable(error: unknown): void {
  if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
}
