import { memo } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import { bytesText, percentText, speedText } from '../../lib/format';
import { groupOf } from '../../stores/rows';
import { JobStatusBadge } from './JobStatusBadge';
import { ProgressBar } from './ProgressBar';
import { RowActions } from './UploadActions';
import { stageWords } from './words';

/** One photo of the panel. It subscribes to itself alone. */
export const PhotoRowView = memo(function PhotoRowView({ photoId }: { photoId: string }) {
  const say = useTexts();
  const row = useStore(uploads, (state) => state.photos.get(photoId));
  if (!row) return null;
  const group = groupOf(row);
  const ended = group !== 'active';
  const size = bytesText(row.bytes);
  const moving = row.phase === 'sending' && row.speed > 0;
  return (
    <div className="row" data-group={group}>
      <div className="row-head">
        <span className="row-name" title={row.relativePath ?? row.filename}>
          <bdi>{row.filename}</bdi>
        </span>
        <JobStatusBadge status={row.status} phase={row.phase} />
        <RowActions row={row} />
      </div>
      {group !== 'failed' && (
        <ProgressBar
          percent={row.percent}
          tone={row.phase === 'paused' ? 'paused' : group}
          label={say('row.bar', { name: row.filename, words: stageWords(row) })}
        />
      )}
      <div className="row-foot">
        <span className="row-words" data-cause={group === 'failed' || undefined}>
          {stageWords(row)}
        </span>
        <span className="row-figures">
          {!ended && row.status !== 'PROCESSING' ? say('row.bytes', { sent: bytesText(row.bytesSent), size }) : size}
          {moving && <> · {speedText(row.speed)}</>}
          {!ended && <> · {percentText(row.percent)}</>}
        </span>
      </div>
    </div>
  );
});
