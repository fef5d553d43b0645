import { inWorkers, type Reading } from './blobWorkers';
import { piecesOf } from './pieces';
import { Sha256 } from './sha256';

/** What the library knows a content by: `sha256:` and 64 hex digits. Throws Stopped where it cannot be read. */
export type ContentHash = Reading<string>;

/** The content hash of a blob, computed here. */
export const contentHashHere: ContentHash = async (blob) => {
  const hash = new Sha256();
  for await (const piece of piecesOf(blob)) hash.update(piece);
  return `sha256:${hash.hex()}`;
};

/** `ContentHash` in a Web Worker. */
export const contentHashInWorker = (): ContentHash =>
  inWorkers(
    1,
    () => new Worker(new URL('./contentHashWorker.ts', import.meta.url), { type: 'module' }),
    contentHashHere,
  );
