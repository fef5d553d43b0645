import { memo } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { useShown, useUploads } from '../../hooks/useUploads';
import { bytesText, percentText, speedText } from '../../lib/format';
import { groupOf } from '../../stores/rows';
import { RowPreview } from './RowPreview';
import { JobStatusBadge } from './JobStatusBadge';
import { ProgressBar } from './ProgressBar';
import { RowActions } from './UploadActions';
import { stageWords, watchedWords } from './words';

/** One photo of the panel. It subscribes to itself alone. */
export const PhotoRowView = memo(function PhotoRowView({ photoId }: { photoId: string }) {
  const say = useTexts();
  const { watching } = useShown();
  const row = useUploads((state) => state.photos.get(photoId));
  if (!row) return null;
  const group = groupOf(row);
  const words = watching ? watchedWords(row) : stageWords(row);
  const ended = group !== 'active';
  const size = bytesText(row.bytes);
  const moving = row.phase === 'sending' && row.speed > 0;
  return (
    <div className="row" data-group={group}>
      <RowPreview photoId={photoId} />
      <div className="row-head">
        <span className="row-name" title={row.relativePath ?? row.filename}>
          <bdi>{row.filename}</bdi>
        </span>
        <JobStatusBadge status={row.status} phase={row.phase} />
        {!watching && <RowActions row={row} />}
      </div>
      {group !== 'failed' && (
        <ProgressBar
          percent={row.percent}
          tone={row.phase === 'paused' ? 'paused' : group}
          label={say('row.bar', { name: row.filename, words: words })}
        />
      )}
      <div className="row-foot">
        {/* The server's own sentences are English, whatever the page speaks. */}
        <span
          className="row-words"
          data-cause={group === 'failed' || undefined}
          lang={row.status === 'FAILED' && row.errorMessage !== null ? 'en' : undefined}
        >
          {words}
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
