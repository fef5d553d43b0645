import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import { follow } from '../../hooks/useRoute';
import { uploadActions } from '../../hooks/useUpload';
import { canRetry, groupOf, type PhotoRow } from '../../stores/rows';
import { IconButton } from '../icons';
import { soleJob } from './jobs';
import { tallyOf } from './overall';

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
      {awaited && held && phase === 'waiting' && (
        <IconButton
          icon="front"
          label={say('row.front', { name })}
          onClick={() => {
            uploadActions.front([photoId]);
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

/** What can be done with all photos of a job at once; of all jobs for null. */
export function BatchActions({ job = null, onPage }: { job?: string | null; onPage?: () => void }) {
  const say = useTexts();
  const { active, completed, failed, cancelled } = useStore(uploads, (state) => tallyOf(state, job).counts);
  const sending = useStore(uploads, (state) => tallyOf(state, job).sending > 0);
  const paused = useStore(uploads, (state) => tallyOf(state, job).paused > 0);
  const retryable = useStore(uploads, (state) => tallyOf(state, job).retryable > 0);
  // Of several jobs the one that is shown, or else the only one.
  const page = useStore(uploads, (state) => job ?? soleJob(state));
  return (
    <div className="batch-actions" role="group" aria-label={say('panel.all')}>
      {sending && (
        <Button
          label={say('batch.pause')}
          onClick={() => {
            uploadActions.pauseAll(job);
          }}
        />
      )}
      {job !== null && sending && (
        <Button
          label={say('batch.front')}
          onClick={() => {
            uploadActions.frontAll(job);
          }}
        />
      )}
      {paused && (
        <Button
          label={say('batch.resume')}
          onClick={() => {
            uploadActions.resumeAll(job);
          }}
        />
      )}
      {retryable && <Button label={say('batch.retry')} onClick={() => void uploadActions.retryAll(job)} />}
      {active > 0 && <Button label={say('batch.cancel')} onClick={() => void uploadActions.cancelAll(job)} />}
      {completed + failed + cancelled > 0 && (
        <Button
          label={say('batch.clear')}
          onClick={() => {
            uploadActions.clearAll(job);
          }}
        />
      )}
      {page !== null && (
        <a
          href={`/jobs/${page}`}
          className="text-button"
          onClick={(event) => {
            follow(event);
            if (event.defaultPrevented) onPage?.();
          }}
        >
          {say('job.open')}
        </a>
      )}
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
