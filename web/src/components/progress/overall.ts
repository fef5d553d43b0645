import { canRetry, type Totals, type UploadState } from '../../stores/rows';

/** The percent of all rows together, weighed by bytes: 100 only when every photo is in the library. */
export function overallPercent({ weight, work }: Totals): number {
  return weight > 0 ? work / weight / 10 : 0;
}

/** How many photos this page could pause. */
export function sendingCount({ photos }: UploadState): number {
  return count(photos, (phase) => phase !== null && phase !== 'paused' && phase !== 'failed' && phase !== 'cancelling');
}

/** How many photos this page has paused. */
export function pausedCount({ photos }: UploadState): number {
  return count(photos, (phase) => phase === 'paused');
}

/** How many photos another attempt could save. */
export function retryableCount({ photos, counts }: UploadState): number {
  let found = 0;
  if (counts.failed > 0) for (const row of photos.values()) if (canRetry(row)) found++;
  return found;
}

function count(photos: UploadState['photos'], wanted: (phase: string | null) => boolean): number {
  let found = 0;
  for (const row of photos.values())
    if ((row.status === 'QUEUED' || row.status === 'UPLOADING') && wanted(row.phase)) found++;
  return found;
}
