import { contentHashHere, type HashAnswer, type HashRequest } from './contentHash';

// One after another: two big reads at once only make both slower.
let turn = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<HashRequest>) => {
  turn = turn
    .then(() => answer(data))
    .then((message) => {
      self.postMessage(message);
    });
};

async function answer({ id, blob }: HashRequest): Promise<HashAnswer> {
  try {
    return { id, hash: await contentHashHere(blob) };
  } catch (error) {
    return { id, error };
  }
}
