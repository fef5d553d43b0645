import { inTurn } from '../inTurn';
import { contentHashHere, type HashAnswer, type HashRequest } from './contentHash';

self.onmessage = inTurn(answer);

async function answer({ id, blob }: HashRequest): Promise<HashAnswer> {
  try {
    return { id, hash: await contentHashHere(blob) };
  } catch (error) {
    return { id, error };
  }
}
