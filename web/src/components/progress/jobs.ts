import type { UploadState } from '../../stores/rows';
import { say } from '../../texts';

/** The jobs that have rows to show, the newest first. */
export function jobsShown({ jobs }: Pick<UploadState, 'jobs'>): string[] {
  return [...jobs.values()]
    .filter(({ photoIds }) => photoIds.length > 0)
    .map(({ jobId }) => jobId)
    .reverse();
}

/** The only job that has rows to show; null where there are several, or none. */
export function soleJob(state: Pick<UploadState, 'jobs'>): string | null {
  const shown = jobsShown(state);
  return shown.length === 1 ? (shown[0] ?? null) : null;
}

/** A job by its folder, or else by its first photo and how many there are beside it. */
export function jobName({ jobs, photos }: UploadState, jobId: string): string {
  const ids = jobs.get(jobId)?.photoIds ?? [];
  const first = photos.get(ids[0] ?? '');
  if (!first) return jobId;
  const folder = first.relativePath?.split('/')[0];
  const name = folder && folder !== first.filename ? folder : first.filename;
  return ids.length > 1 ? say('job.name', { name, photos: say('count.photos', { count: ids.length }) }) : name;
}
