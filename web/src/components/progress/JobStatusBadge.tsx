import { useTexts } from '../../hooks/useTexts';
import type { PhotoRow } from '../../stores/rows';

/** A photo's status as a small label; what this page did to it (paused, gave up) goes before what the server awaits. */
export function JobStatusBadge({ status, phase }: Pick<PhotoRow, 'status' | 'phase'>) {
  const say = useTexts();
  const awaited = status === 'QUEUED' || status === 'UPLOADING';
  const kind = awaited && phase === 'failed' ? 'FAILED' : awaited && phase === 'paused' ? 'PAUSED' : status;
  return (
    <span className="badge" data-status={kind}>
      {say(`status.${kind}`)}
    </span>
  );
}
