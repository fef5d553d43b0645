import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import { uploadActions } from '../../hooks/useUpload';
import { canRetry, groupOf, type PhotoRow } from '../../stores/rows';
import { IconButton } from '../icons';
import { pausedCount, retryableCount, sendingCount } from './overall';

/** What can be done with one photo, as it stands. */
export function RowActions({ row }: { row: PhotoRow }) {
  const say = useTexts();
  const { filename: name, photoId, phase, held } = row;
  const group = groupOf(row);
  const awaited = row.status === 'QUEUED' || row.status === 'UPLOADING';
  return (
    <span className="row-actions">
      {awaited && held && phase !== 'failed' && phase !== 'cancelling' && phase !== null && phase !== 'finishing' && (
        <IconButton
          icon={phase === 'paused' ? 'play' : 'pause'}
          label={say(phase === 'paused' ? 'row.resume' : 'row.pause', { name })}
          onClick={() => {
            if (phase === 'paused') uploadActions.resume(photoId);
            else uploadActions.pause(photoId);
          }}
        />
      )}
      {canRetry(row) && (
        <IconButton
          icon="retry"
          label={say('row.retry', { name })}
          onClick={() => {
            uploadActions.retry(row);
          }}
        />
      )}
      {(group === 'active' || (group === 'failed' && phase === 'failed')) && (
        <IconButton
          icon="close"
          label={say('row.cancel', { name })}
          disabled={phase === 'cancelling'}
          onClick={() => void uploadActions.cancel(photoId)}
        />
      )}
      {group !== 'active' && phase !== 'failed' && (
        <IconButton
          icon="clear"
          label={say('row.clear', { name })}
          onClick={() => {
            uploadActions.clear([photoId]);
          }}
        />
      )}
    </span>
  );
}

/** What can be done with all photos at once. */
export function BatchActions() {
  const say = useTexts();
  const { active, completed, failed, cancelled } = useStore(uploads, (state) => state.counts);
  const paused = useStore(uploads, pausedCount);
  const sending = useStore(uploads, sendingCount);
  const retryable = useStore(uploads, retryableCount);
  return (
    <div className="batch-actions" role="group" aria-label={say('panel.all')}>
      {sending > 0 && <Button label={say('batch.pause')} onClick={uploadActions.pauseAll} />}
      {paused > 0 && <Button label={say('batch.resume')} onClick={uploadActions.resumeAll} />}
      {retryable > 0 && <Button label={say('batch.retry')} onClick={() => void uploadActions.retryAll()} />}
      {active > 0 && <Button label={say('batch.cancel')} onClick={() => void uploadActions.cancelAll()} />}
      {completed + failed + cancelled > 0 && <Button label={say('batch.clear')} onClick={uploadActions.clearAll} />}
    </div>
  );
}

function Button({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button type="button" className="text-button" onClick={onClick}>
      {label}
    </button>
  );
}
