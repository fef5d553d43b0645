import type { Item } from '../../types/wire';
import { PART_SIZE } from '../s3/multipart';

/** A photo whose file this page holds. */
export interface Held {
  photoId: string;
  jobId: string;
  file: File;
  /** The server's answer to its declaration, until its URLs are used. */
  item: Item | null;
  inParts: boolean;
  state: 'waiting' | 'running' | 'resting';
  attempt: number;
  abort: AbortController | null;
  finishing: boolean;
}

/** A photo that waits for its turn. An item without URLs, of one that was begun before, says only which photo it is. */
export function hold(jobId: string, item: Item, file: File): Held {
  return {
    photoId: item.photoId,
    jobId,
    file,
    item: item.presignedUrl || item.multipart ? item : null,
    inParts: item.presignedUrl ? false : Boolean(item.multipart) || file.size > PART_SIZE,
    state: 'waiting',
    attempt: 1,
    abort: null,
    finishing: false,
  };
}
