import type { Jobs, JobStatusUpdate, Snapshot } from '../../types/wire';
import { ApiError, NetworkError } from '../api/errors';
import type { LiveClient } from './client';

const POLL_EVERY_MS = 2_000;
const POLL_AFTER_MS = 3_000;

/** What is known of a job that is shown. */
export interface Known {
  jobId: string;
  ended: boolean;
  /** The last event applied. */
  seq: number;
  /** How many of its photos are known, those cleared away included. */
  photos: number;
}

export interface FollowPorts {
  live: Pick<LiveClient, 'watch' | 'unwatch'>;
  activeJobs: (cursor?: string) => Promise<Jobs>;
  snapshot: (jobId: string) => Promise<Snapshot>;
  known: () => Iterable<Known>;
  /** While this page declares files, news of unknown jobs and photos is of its own making. */
  declaring: () => boolean;
  onJob: (event: JobStatusUpdate) => void;
  onSnapshot: (snapshot: Snapshot) => void;
  /** Whether asking in place of the live channel works; null when it is not needed. */
  onPolling: (works: boolean | null) => void;
}

/** Keeps every job that has not ended up to date: over the live channel, or by asking while that is away. */
export class JobFollower {
  private readonly watched = new Set<string>();
  private readonly asking = new Set<string>();
  private away: ReturnType<typeof setTimeout> | undefined;
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
    for (const { jobId, ended, seq } of this.ports.known()) {
      if (ended === !this.watched.has(jobId)) continue;
      if (ended) {
        this.watched.delete(jobId);
        this.ports.live.unwatch(jobId);
      } else {
        this.watched.add(jobId);
        this.ports.live.watch(jobId, seq);
      }
    }
  }

  /** The live channel came or went. */
  liveChanged(live: boolean): void {
    clearTimeout(this.away);
    this.away = undefined;
    if (live) this.ports.onPolling(null);
    else if (!this.stopped) this.away = setTimeout(() => void this.poll(), POLL_AFTER_MS);
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
    clearTimeout(this.away);
  }

  private async poll(): Promise<void> {
    const turn = this.away;
    const due = [...this.ports.known()].filter(({ ended }) => !ended);
    let works: boolean | null = due.length > 0 ? true : null;
    for (const { jobId } of due) {
      try {
        await this.look(jobId);
      } catch (error) {
        works = false;
        if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
      }
    }
    if (this.stopped || turn !== this.away) return; // the live channel came back meanwhile
    this.ports.onPolling(works);
    this.away = setTimeout(() => void this.poll(), POLL_EVERY_MS);
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
