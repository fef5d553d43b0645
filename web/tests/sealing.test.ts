import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError, HeldBack, NetworkError } from '../src/lib/api/errors';
import { Scheduler } from '../src/lib/upload/scheduler';
import { type Seal, sealingTogether } from '../src/lib/upload/sealing';
import type { Finalized } from '../src/types/wire';

let calls: string[][];
let answers: (() => void)[];
let doubtful: boolean;
let wrong: Map<string, Finalized['problem']>;
let cut: boolean;
let seal: Seal;
let ended: AbortController;
const { signal } = new AbortController();

/** A call that is answered when the test says so. */
async function called(photoIds: string[]): Promise<void> {
  calls.push(photoIds);
  await new Promise<void>((resolve) => answers.push(resolve));
  if (cut) throw new NetworkError('cut');
}

const nextCall = async (count: number) => {
  await expect.poll(() => calls.length).toBe(count);
  return calls[count - 1];
};

beforeEach(() => {
  calls = [];
  answers = [];
  doubtful = cut = false;
  wrong = new Map();
  ended = new AbortController();
  seal = sealingTogether({
    api: {
      finalize: (photoId) => called([photoId]),
      finalizeAll: async (items) => {
        const photoIds = items.map(({ photoId }) => photoId);
        await called(photoIds);
        return { items: photoIds.map((photoId) => ({ photoId, problem: wrong.get(photoId) ?? null })) };
      },
    },
    scheduler: new Scheduler(4),
    connectivity: {
      get doubtful() {
        return doubtful;
      },
    },
    signal: ended.signal,
  });
});

afterEach(() => {
  ended.abort();
});

describe('sealing', () => {
  it('asks for the first at once, and for all that end meanwhile in one call', async () => {
    const first = seal('a', {}, signal);
    expect(await nextCall(1)).toEqual(['a']);
    const others = ['b', 'c', 'd'].map((photoId) => seal(photoId, {}, signal));
    answers[0]?.();
    await first;
    expect(await nextCall(2)).toEqual(['b', 'c', 'd']);
    answers[1]?.();
    await Promise.all(others);
  });

  it('lets nobody wait for what is wrong with another', async () => {
    const [bad, good] = [seal('b', {}, signal), seal('c', {}, signal)];
    const detail = 'Send it again.';
    wrong.set('b', { type: 't', title: 't', status: 422, code: 'checksum-mismatch', detail, errors: [] });
    const refused = expect(bad).rejects.toEqual(new ApiError(422, 'checksum-mismatch', detail));
    expect(await nextCall(1)).toEqual(['b', 'c']);
    answers[0]?.();
    await Promise.all([good, refused]);
  });

  it('tells all of a call that got no answer, and goes on', async () => {
    cut = true;
    const lost = expect(seal('a', {}, signal)).rejects.toBeInstanceOf(NetworkError);
    await nextCall(1);
    answers[0]?.();
    await lost;
    cut = false;
    const again = seal('a', {}, signal);
    await nextCall(2);
    answers[1]?.();
    await again;
  });

  it('asks for nothing while the server may be away', async () => {
    doubtful = true;
    await expect(seal('a', {}, signal)).rejects.toBeInstanceOf(HeldBack);
    expect(calls).toEqual([]);
  });

  it('leaves out who was stopped while waiting, and ends with whoever signed out', async () => {
    const stopped = new AbortController();
    const first = seal('a', {}, signal);
    await nextCall(1);
    const second = expect(seal('b', {}, stopped.signal)).rejects.toThrow('Aborted');
    const third = expect(seal('c', {}, signal)).rejects.toThrow();
    stopped.abort(new DOMException('Aborted', 'AbortError'));
    await second;
    answers[0]?.();
    await first;
    ended.abort();
    await third;
    expect(calls).toEqual([['a']]);
  });
});
