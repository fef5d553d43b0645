import { crc32c } from './crc32c';
import { unreadable } from './original';
import { piecesOf } from './pieces';

/** The CRC32C of a blob. Throws Stopped (`changed`, `vanished`) where it can no longer be read. */
export type Checksum = (blob: Blob) => Promise<number>;

/** The CRC32C of a blob, computed here. */
export const checksumHere: Checksum = async (blob) => {
  let crc = 0;
  for await (const piece of piecesOf(blob)) crc = crc32c(piece, crc);
  return crc;
};

export interface WorkerRequest {
  id: number;
  blob: Blob;
}
export type WorkerAnswer = { id: number; crc: number } | { id: number; error: unknown };

interface Asked {
  blob: Blob;
  resolve: (crc: number) => void;
  reject: (error: Error) => void;
}

/**
 * `Checksum` in a few Web Workers, started when first needed; each works off what it is given in turn. What a worker leaves
 * undone that could not be loaded (its script is fetched over the same bad line) is computed here, and another is started next.
 */
export function checksumInWorkers(count: number): Checksum {
  const workers: { worker: Worker; asked: Map<number, Asked> }[] = [];
  let last = 0;

  function start() {
    const worker = new Worker(new URL('./checksumWorker.ts', import.meta.url), { type: 'module' });
    const asked = new Map<number, Asked>();
    worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      const waiting = asked.get(data.id);
      asked.delete(data.id);
      if ('crc' in data) waiting?.resolve(data.crc);
      else waiting?.reject(unreadable(data.error));
    };
    worker.onerror = () => {
      workers.splice(
        workers.findIndex((one) => one.worker === worker),
        1,
      );
      worker.terminate();
      for (const { blob, resolve, reject } of asked.values())
        checksumHere(blob).then(resolve, (error: unknown) => {
          reject(unreadable(error));
        });
    };
    const started = { worker, asked };
    workers.push(started);
    return started;
  }

  return (blob) =>
    new Promise((resolve, reject) => {
      const idlest = workers.toSorted((a, b) => a.asked.size - b.asked.size)[0];
      const chosen = idlest && (idlest.asked.size === 0 || workers.length >= count) ? idlest : start();
      const id = ++last;
      chosen.asked.set(id, { blob, resolve, reject });
      chosen.worker.postMessage({ id, blob } satisfies WorkerRequest);
    });
}
