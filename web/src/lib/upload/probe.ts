import { crc32c, hex32 } from './crc32c';
import { unreadable } from './original';

/** Bytes of the head, and as many of the tail, that a probe is made of. */
export const PROBED = 16 * 1024;

/** What a file may be compared by without reading all of it. Throws Stopped where it cannot be read. */
export type Probe = (blob: Blob) => Promise<string>;

/** The CRC32C of the first and of the last 16 KiB, 8 hex digits each, as the server makes it (rule U16). */
export const probeOf: Probe = async (blob) => {
  const pieces = [blob.slice(0, PROBED), blob.slice(Math.max(0, blob.size - PROBED))];
  try {
    const read = await Promise.all(pieces.map((piece) => piece.arrayBuffer()));
    return read.map((bytes) => hex32(crc32c(new Uint8Array(bytes)))).join('');
  } catch (error) {
    throw unreadable(error);
  }
};
