import { describe, expect, it } from 'vitest';
import { ApiError, HeldBack, NetworkError, Stalled } from '../src/lib/api/errors';
import { Connectivity } from '../src/lib/upload/connectivity';
import { type Patience, persist } from '../src/lib/upload/retry';

const AT_ONCE = { base: 0, cap: 0 };

function patience(probe: () => boolean = () => true, more: Partial<Patience> = {}): Patience {
  return {
    connectivity: new Connectivity(() => Promise.resolve(probe())),
    signal: new AbortController().signal,
    signedIn: () => Promise.reject(new Error('nobody signs in')),
    backoff: AT_ONCE,
    ...more,
  };
}

/** Fails with each of these in turn, then succeeds. */
function failing(...errors: Error[]) {
  const work = () => {
    work.calls++;
    const error = errors.shift();
    return error ? Promise.reject(error) : Promise.resolve('done');
  };
  work.calls = 0;
  return work;
}

const status = (code: number) => new ApiError(code, `http-${code}`, 'no');

describe('persist', () => {
  it.each([408, 425, 429, 500, 502, 503, 504, 507])('repeats after %i', async (code) => {
    const work = failing(status(code), status(code));
    expect(await persist(work, patience())).toBe('done');
    expect(work.calls).toBe(3);
  });

  it.each([400, 403, 404, 409, 413, 415, 422])('does not repeat after %i', async (code) => {
    const work = failing(status(code));
    await expect(persist(work, patience())).rejects.toMatchObject({ status: code });
    expect(work.calls).toBe(1);
  });

  it('gives up on a server that fails eight times', async () => {
    const work = failing(...Array.from({ length: 20 }, () => status(500)));
    await expect(persist(work, patience())).rejects.toMatchObject({ status: 500 });
    expect(work.calls).toBe(8);
  });

  it('gives up on a request that breaks off eight times although the server answers', async () => {
    const work = failing(...Array.from({ length: 20 }, () => new NetworkError('cut off')));
    await expect(persist(work, patience())).rejects.toMatchObject({ fault: 'cut-off' });
    expect(work.calls).toBe(8);
  });

  it('has no limit while a proxy says that the server is away', async () => {
    const work = failing(...Array.from({ length: 40 }, () => status(503)));
    expect(await persist(work, patience())).toBe('done');
  });

  it('waits for the server to come back, and says so', async () => {
    const answers = [false, false, true];
    const network = new EventTarget();
    const connectivity = new Connectivity(() => Promise.resolve(answers.shift() ?? true), network);
    const told: boolean[] = [];
    connectivity.subscribe((reachable) => {
      told.push(reachable);
      // The browser says that the network is back: no need to sit the pause out.
      if (!reachable) queueMicrotask(() => network.dispatchEvent(new Event('online')));
    });
    const work = failing(new NetworkError('cut off'));
    expect(await persist(work, patience(undefined, { connectivity }))).toBe('done');
    expect(told).toEqual([false, true]);
  });

  it('counts no attempt that was not even begun', async () => {
    const work = failing(...Array.from({ length: 20 }, () => new HeldBack('the server may be away')));
    const reasons: string[] = [];
    expect(await persist(work, patience(undefined, { onWait: (reason) => reasons.push(reason) }))).toBe('done');
    expect(reasons).toEqual([]);
  });

  it('says that a request stood still', async () => {
    const reasons: string[] = [];
    const work = failing(new Stalled('no byte for 30 s'));
    expect(await persist(work, patience(undefined, { onWait: (reason) => reasons.push(reason) }))).toBe('done');
    expect(reasons).toEqual(['stalled']);
  });

  it('waits for a sign-in after 401', async () => {
    const work = failing(status(401));
    const reasons: string[] = [];
    const signedIn = () => Promise.resolve();
    expect(await persist(work, patience(undefined, { signedIn, onWait: (reason) => reasons.push(reason) }))).toBe(
      'done',
    );
    expect(reasons).toEqual(['signed-out']);
  });

  it('ends at once when it is called off', async () => {
    const abort = new AbortController();
    const work = () => {
      abort.abort();
      return Promise.reject(new NetworkError('cut off'));
    };
    await expect(
      persist(
        work,
        patience(() => false, { signal: abort.signal }),
      ),
    ).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error);
  });
});
