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
  resolve: (hash: string) => void;
  reject: (error: Error) => void;
}

/** `ContentHash` in a Web Worker, which is started when first needed and hashes one after another. */
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
    started.onerror = (event) => {
      for (const waiting of asked.values()) waiting.reject(new Error(`The hashing worker stopped: ${event.message}`));
      asked.clear();
      started.terminate();
      worker = null;
    };
    return started;
  }

  return (blob) =>
    new Promise((resolve, reject) => {
      worker ??= start();
      const id = ++last;
      asked.set(id, { resolve, reject });
      worker.postMessage({ id, blob } satisfies HashRequest);
    });
}
