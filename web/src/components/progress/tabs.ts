import { type Group, groupOf, type UploadState } from '../../stores/rows';

export type Tab = 'all' | Extract<Group, 'active' | 'completed' | 'failed'>;

export const TABS: readonly Tab[] = ['all', 'active', 'completed', 'failed'];

/** How many rows a tab has; cancelled ones are among all alone. */
export function tabCount(counts: UploadState['counts'], tab: Tab): number {
  return tab === 'all' ? counts.active + counts.completed + counts.failed + counts.cancelled : counts[tab];
}

/** The rows of a tab, in the order listed: those of a job, or of all for null. */
export function rowsOfTab(
  { order, jobs, photos }: UploadState,
  tab: Tab,
  job: string | null = null,
): readonly string[] {
  const listed = job === null ? order : (jobs.get(job)?.photoIds ?? []);
  if (tab === 'all') return listed;
  return listed.filter((photoId) => {
    const row = photos.get(photoId);
    return row && groupOf(row) === tab;
  });
}
