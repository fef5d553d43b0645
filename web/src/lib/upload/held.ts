import { PART_SIZE } from '../s3/multipart';
import type { Declared } from './declare';
import type { Original } from './original';
import { Lane } from './scheduler';
import type { Plan } from './plan';

/** A photo whose file this page holds. */
export interface Held {
  photoId: string;
  jobId: string;
  original: Original;
  plan: Plan | null;
  inParts: boolean;
  lane: Lane;
  state: 'waiting' | 'running' | 'resting';
  attempt: number;
  abort: AbortController | null;
  finishing: boolean;
}

/** What is to be sent of that which was declared: not what was refused, nor what the library has already. */
export function heldOf({ jobId, items, files, described }: Declared, at: number): Held[] {
  return items.flatMap((item, index) => {
    const source = files[index];
    const declared = described[index];
    if (!source || !declared || item.errorCode || item.duplicateOf) return [];
    return {
      photoId: item.photoId,
      jobId,
      original: { file: source.file, size: declared.bytes, lastModified: declared.lastModified },
      plan: item.presignedUrl || item.multipart ? { item, at } : null,
      inParts: item.presignedUrl ? false : Boolean(item.multipart) || declared.bytes > PART_SIZE,
      lane: new Lane(),
      state: 'waiting',
      attempt: 1,
      abort: null,
      finishing: false,
    };
  });
}

/** The URL to which a photo's first bytes go, where it is known yet. */
export function targetOf({ plan }: Held): string | undefined {
  return plan?.item.presignedUrl ?? plan?.item.multipart?.partUrls[0]?.presignedUrl;
}
