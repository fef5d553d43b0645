import type { FinalizeMultipartUploadRequest } from '../../types/wire';
import { ApiError, HeldBack } from '../api/errors';
import type { UploadApi } from '../api/upload';
import { reasonOf, sleep } from './backoff';
import type { Connectivity } from './connectivity';
import type { Scheduler } from './scheduler';

// So long after a call began the next one does: photos that end meanwhile are finalized together.
const GATHER_MS = 100;
const MOST_AT_ONCE = 250;

/** Have the server finalize a photo; rejects as the call for one does. */
export type Seal = (photoId: string, body: FinalizeMultipartUploadRequest, signal: AbortSignal) => Promise<void>;

export interface SealingPorts {
  api: Pick<UploadApi, 'finalize' | 'finalizeAll'>;
  scheduler: Pick<Scheduler, 'run'>;
  connectivity: Pick<Connectivity, 'doubtful'>;
  /** Ends all of it. */
  signal: AbortSignal;
}

interface Asked {
  photoId: string;
  body: FinalizeMultipartUploadRequest;
  resolve: () => void;
  reject: (reason: Error) => void;
}

/** `Seal` that asks for many photos in one call: of small ones, a call for each would cost as much as their bytes. */
export function sealingTogether({ api, scheduler, connectivity, signal: ended }: SealingPorts): Seal {
  const waiting = new Set<Asked>();
  let calling = false;

  async function call(): Promise<void> {
    const those = [...waiting].slice(0, MOST_AT_ONCE);
    for (const one of those) waiting.delete(one);
    const [first] = those;
    if (!first) return;
    try {
      if (connectivity.doubtful) throw new HeldBack('the server may be away');
      if (those.length === 1) {
        await api.finalize(first.photoId, first.body);
        first.resolve();
        return;
      }
      const { items } = await api.finalizeAll(those.map(({ photoId, body }) => ({ photoId, ...body })));
      those.forEach(({ resolve, reject }, index) => {
        const problem = items[index]?.problem;
        if (problem) reject(new ApiError(problem.status, problem.code, problem.detail, null, problem.errors));
        else resolve();
      });
    } catch (error) {
      for (const { reject } of those) reject(error as Error);
    }
  }

  async function work(): Promise<void> {
    calling = true;
    try {
      while (waiting.size > 0) {
        const pause = sleep(GATHER_MS, ended);
        await Promise.all([scheduler.run(ended, call), pause]);
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error as Error);
      waiting.clear();
    } finally {
      calling = false;
    }
  }

  return (photoId, body, signal) =>
    new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        signal.removeEventListener('abort', leave);
        then();
      };
      const leave = () => {
        waiting.delete(asked);
        reject(reasonOf(signal));
      };
      const asked: Asked = {
        photoId,
        body,
        resolve: () => {
          settle(resolve);
        },
        reject: (reason) => {
          settle(() => {
            reject(reason);
          });
        },
      };
      if (signal.aborted) {
        leave();
        return;
      }
      signal.addEventListener('abort', leave, { once: true });
      waiting.add(asked);
      if (!calling) void work();
    });
}
