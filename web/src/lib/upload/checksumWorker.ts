import { inTurn } from '../inTurn';
import type { WorkerAnswer, WorkerRequest } from './checksum';
import { checksumHere } from './checksum';

self.onmessage = inTurn(answer);

async function answer({ id, blob }: WorkerRequest): Promise<WorkerAnswer> {
  try {
    return { id, crc: await checksumHere(blob) };
  } catch (error) {
    return { id, error }; // a DOMException goes over as it is
  }
}
