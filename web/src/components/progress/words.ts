import type { Stage } from '../../types/wire';
import type { PhotoRow } from '../../stores/rows';

const STAGE_WORDS: Record<Stage, string> = {
  VERIFYING: 'Verifying size, checksum and type',
  METADATA: 'Reading metadata',
  THUMBNAILS: 'Making thumbnails',
  PUBLISHING: 'Publishing to the library',
};

/** What is happening to a photo, or what happened, in words. */
export function stageWords(row: PhotoRow): string {
  switch (row.status) {
    case 'COMPLETED':
      return row.duplicateOf ? 'In the library already, not sent again' : 'In the library';
    case 'CANCELLED':
      return 'Cancelled';
    case 'FAILED':
      return row.errorMessage ?? 'Failed; the server gave no reason';
    case 'PROCESSING':
      if (row.phase === 'cancelling') return 'Cancelling';
      return row.stage ? STAGE_WORDS[row.stage] : 'Stored, waiting to be processed';
    case 'QUEUED':
    case 'UPLOADING':
      return sendingWords(row);
  }
}

function sendingWords({ phase, held, errorMessage, bytes, bytesSent }: PhotoRow): string {
  switch (phase) {
    case 'waiting':
      return 'Waiting for its turn';
    case 'sending':
      return 'Sending';
    case 'finishing':
      return 'All bytes sent, being sealed';
    case 'unreachable':
      return 'Server out of reach; goes on by itself';
    case 'interrupted':
      return 'Interrupted; tries again by itself';
    case 'stalled':
      return 'Stood still for 30 s; tries again by itself';
    case 'busy':
      return 'Server busy; tries again by itself';
    case 'signed-out':
      return 'Signed out; goes on after sign-in';
    case 'paused':
      return 'Paused';
    case 'cancelling':
      return 'Cancelling';
    case 'failed':
      return errorMessage ?? 'Stopped; no reason was given';
    case null:
      if (held) return 'Sent, waiting for the server’s word';
      if (bytesSent >= bytes) return 'All bytes have arrived, waiting to be sealed';
      return 'Not sent by this page: by another tab or device, or left unfinished';
  }
}
