import type { PhotoRow } from '../../stores/rows';
import { say } from '../../texts';

/** What is happening to a photo, or what happened, in words. */
export function stageWords(row: PhotoRow): string {
  switch (row.status) {
    case 'COMPLETED':
      return say(row.duplicateOf ? 'row.duplicate' : 'row.completed');
    case 'CANCELLED':
      return say('row.cancelled');
    case 'FAILED':
      return row.errorMessage ?? say('row.failed');
    case 'PROCESSING':
      if (row.phase === 'cancelling') return say('phase.cancelling');
      return say(row.stage ? `stage.${row.stage}` : 'row.stored');
    case 'QUEUED':
    case 'UPLOADING':
      return sendingWords(row);
  }
}

/** The same for whoever watches from elsewhere, and is not the one that sends. */
export function watchedWords(row: PhotoRow): string {
  if (row.status === 'QUEUED') return say('phase.waiting');
  if (row.status === 'UPLOADING' && row.bytesSent < row.bytes) return say('phase.sending');
  return stageWords(row);
}

function sendingWords({ phase, held, errorMessage, bytes, bytesSent }: PhotoRow): string {
  if (phase === 'failed') return errorMessage ?? say('phase.failed');
  if (phase !== null) return say(`phase.${phase}`);
  if (held) return say('phase.held');
  return say(bytesSent >= bytes ? 'phase.arrived' : 'phase.elsewhere');
}
