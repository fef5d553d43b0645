import { Stopped } from './faults';

/** A file as it was when it was declared. */
export interface Original {
  file: File;
  /** Bytes. */
  size: number;
  /** Unix milliseconds. */
  lastModified: number;
}

/**
 * Throws Stopped where the file is no longer as it was declared: `changed` or `vanished`.
 *
 * To be asked just before each slice is taken: a browser takes the state of the disk at that moment for the true one, and
 * parts sent before and after a change would make one photo of two files. While the slice is being read, the browser itself
 * watches (File API, 4.1: a snapshot that differs from the disk is not readable).
 */
export async function ensureUnchanged({ file, size, lastModified }: Original): Promise<void> {
  // Chromium asks the disk each time; a file that is gone has size 0 there.
  if (file.size === size && file.lastModified === lastModified) return;
  await ensureReadable(file);
  throw new Stopped('changed');
}

/** Throws Stopped, likewise, where not even the first byte can be read. */
export async function ensureReadable(blob: Blob): Promise<void> {
  // A slice would be empty where the size is 0 by now. Not `stream()`, whose error in Chromium is a TypeError whatever the cause.
  const first = blob.size === 0 ? blob : blob.slice(0, 1);
  try {
    await first.arrayBuffer();
  } catch (error) {
    throw unreadable(error);
  }
}

/** What a browser's error in reading a file means: that it is gone, or is not what it was. */
export function unreadable(cause: unknown): Stopped {
  const gone = cause instanceof Error && cause.name === 'NotFoundError';
  return new Stopped(gone ? 'vanished' : 'changed', { cause });
}
