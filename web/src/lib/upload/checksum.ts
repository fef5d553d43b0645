import { inWorkers, type Reading } from './blobWorkers';
import { crc32c } from './crc32c';
import { piecesOf } from './pieces';

/** The CRC32C of a blob. Throws Stopped (`changed`, `vanished`) where it can no longer be read. */
export type Checksum = Reading<number>;

/** The CRC32C of a blob, computed here. */
export const checksumHere: Checksum = async (blob) => {
  let crc = 0;
  for await (const piece of piecesOf(blob)) crc = crc32c(piece, crc);
  return crc;
};

/** `Checksum` in a few Web Workers. */
export const checksumInWorkers = (count: number): Checksum =>
  inWorkers(count, () => new Worker(new URL('./checksumWorker.ts', import.meta.url), { type: 'module' }), checksumHere);
