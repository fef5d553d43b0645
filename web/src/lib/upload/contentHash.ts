import { unreadable } from './original';
import { piecesOf } from './pieces';
import { Sha256 } from './sha256';

/** What the library knows a content by: `sha256:` and 64 hex digits. Throws Stopped where it cannot be read. */
export type ContentHash = (blob: Blob) => Promise<string>;

/** The content hash of a blob, computed here. */
export const contentHashHere: ContentHash = async (blob) => {
  const hash = new Sha256();
  for await (const piece of piecesOf(blob)) hash.update(piece);
  return `sha256:${hash.hex()}`;
};

export interface HashRequest {
  id: number;
  blob: Blob;
}
export type HashAnswer = { id: number; hash: string } | { id: number; error: unknown };

interface Asked {
  blob: Blob;
  resolve: (hash: string) => void;
  reject: (error: Error) => void;
}

/**
 * `ContentHash` in a Web Worker, which is started when first needed and hashes one after another. What it leaves undone that
 * could not be loaded (its script is gone with the last version of the page, say) is hashed here, and another is started next.
 */
export function contentHashInWorker(): ContentHash {
  let worker: Worker | null = null;
  let last = 0;
  const asked = new Map<number, Asked>();

  function start(): Worker {
    const started = new Worker(new URL('./contentHashWorker.ts', import.meta.url), { type: 'module' });
    started.onmessage = ({ data }: MessageEvent<HashAnswer>) => {
      const waiting = asked.get(data.id);
      asked.delete(data.id);
      if ('hash' in data) waiting?.resolve(data.hash);
      else waiting?.reject(unreadable(data.error));
    };
    started.onerror = () => {
      started.terminate();
      worker = null;
      for (const { blob, resolve, reject } of asked.values())
        contentHashHere(blob).then(resolve, (error: unknown) => {
          reject(unreadable(error));
        });
      asked.clear();
    };
    return started;
  }

  return (blob) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      const id = ++last;
      asked.set(id, { blob, resolve, reject });
      worker.postMessage({ id, blob } satisfies HashRequest);
    });
}
