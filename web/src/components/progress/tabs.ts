import { type Group, groupOf, type UploadState } from '../../stores/rows';

export const PANEL_ID = 'uploads';

export type Tab = 'all' | Extract<Group, 'active' | 'completed' | 'failed'>;

export const TABS: readonly Tab[] = ['all', 'active', 'completed', 'failed'];

/** How many rows a tab has; cancelled ones are among all alone. */
export function tabCount(counts: UploadState['counts'], tab: Tab): number {
  return tab === 'all' ? counts.active + counts.completed + counts.failed + counts.cancelled : counts[tab];
}

/** The rows of a tab, in the order listed. */
export function rowsOfTab({ order, photos }: UploadState, tab: Tab): readonly string[] {
  if (tab === 'all') return order;
  return order.filter((photoId) => {
    const row = photos.get(photoId);
    return row && groupOf(row) === tab;
  });
}
