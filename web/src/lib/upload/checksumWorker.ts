import type { WorkerAnswer, WorkerRequest } from './checksum';
import { checksumHere } from './checksum';

// One after another: two big reads at once only make both slower.
let turn = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
  turn = turn
    .then(() => answer(data))
    .then((message) => {
      self.postMessage(message);
    });
};

async function answer({ id, blob }: WorkerRequest): Promise<WorkerAnswer> {
  try {
    return { id, crc: await checksumHere(blob) };
  } catch (error) {
    return { id, error }; // a DOMException goes over as it is
  }
}
