import { inTurn } from '../inTurn';
import { unreadable } from './original';

/** What is made of a blob's bytes: its checksum, its hash. */
export type Reading<T> = (blob: Blob) => Promise<T>;

interface Request {
  id: number;
  blob: Blob;
}
type Answer<T> = { id: number; made: T } | { id: number; error: unknown };

interface Asked<T> {
  blob: Blob;
  resolve: (made: T) => void;
  reject: (error: Error) => void;
}

/** What a worker of `inWorkers` does with its messages. */
export function answering<T>(here: Reading<T>): (event: MessageEvent<Request>) => void {
  return inTurn(async ({ id, blob }: Request): Promise<Answer<T>> => {
    try {
      return { id, made: await here(blob) };
    } catch (error) {
      return { id, error }; // a DOMException goes over as it is
    }
  });
}

/**
 * `here` in at most `count` Web Workers, started when first needed; each works off what it is given in turn. What a worker
 * leaves undone that could not be loaded (its script is fetched over a bad line, or is gone with the last version of the
 * page) is done here, and another is started next. Throws Stopped (`changed`, `vanished`) where a blob cannot be read.
 */
export function inWorkers<T>(count: number, begin: () => Worker, here: Reading<T>): Reading<T> {
  const workers: { worker: Worker; asked: Map<number, Asked<T>> }[] = [];
  let last = 0;

  function start() {
    const worker = begin();
    const asked = new Map<number, Asked<T>>();
    worker.onmessage = ({ data }: MessageEvent<Answer<T>>) => {
      const waiting = asked.get(data.id);
      asked.delete(data.id);
      if ('made' in data) waiting?.resolve(data.made);
      else waiting?.reject(unreadable(data.error));
    };
    worker.onerror = () => {
      workers.splice(
        workers.findIndex((one) => one.worker === worker),
        1,
      );
      worker.terminate();
      for (const { blob, resolve, reject } of asked.values())
        here(blob).then(resolve, (error: unknown) => {
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
      chosen.worker.postMessage({ id, blob } satisfies Request);
    });
}
