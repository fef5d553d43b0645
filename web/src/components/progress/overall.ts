import type { UploadState } from '../../stores/rows';
import { NOTHING, type Tally, type Totals } from '../../stores/tally';

/** The percent of all rows together, weighed by bytes: 100 only when nothing is left to do for any. */
export function overallPercent({ weight, work }: Totals): number {
  return weight > 0 ? work / weight / 10 : 0;
}

/** The sums of a job's rows; of all rows for null. */
export function tallyOf(state: UploadState, jobId: string | null): Tally {
  return jobId === null ? state : (state.tallies.get(jobId) ?? NOTHING);
}
