import { afterEach, describe, expect, it, vi } from 'vitest';
import { NetworkError } from '../src/lib/api/errors';
import { Lane, Scheduler } from '../src/lib/upload/scheduler';

const never = () => new AbortController().signal;

/** Work that ends when it is told to. */
function held() {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { work: () => ended, end };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

afterEach(() => {
  vi.useRealTimers();
});

describe('Scheduler', () => {
  it('runs no more than its limit, each lane in its turn', async () => {
    const scheduler = new Scheduler(2);
    const [large, small] = [new Lane(), new Lane()];
    const works = new Map<string, ReturnType<typeof held>>();
    const started: string[] = [];
    const all = (['a1', 'a2', 'a3', 'a4', 'b1'] as const).map((name) => {
      const one = held();
      works.set(name, one);
      return scheduler.carry(never(), { lane: name.startsWith('a') ? large : small, bytes: 1 }, () => {
        started.push(name);
        return one.work();
      });
    });
    await settle();
    // The first lane took what room there was; from now on it waits for the other.
    expect(started).toEqual(['a1', 'a2']);
    expect(scheduler.active).toBe(2);
    for (const [ended, expected] of [
      ['a1', 'b1'],
      ['a2', 'a3'],
      ['b1', 'a4'],
    ] as const) {
      works.get(ended)?.end();
      await settle();
      expect(started.at(-1)).toBe(expected);
    }
    works.get('a3')?.end();
    works.get('a4')?.end();
    await Promise.all(all);
    expect(scheduler.active).toBe(0);
  });

  it('lets commands go ahead of bytes, on one connection more', async () => {
    const scheduler = new Scheduler(1);
    const [bytes, first, second] = [held(), held(), held()];
    const started: string[] = [];
    const carry = (name: string, work: () => Promise<void>) =>
      scheduler.carry(never(), { lane: new Lane(), bytes: 1 }, () => {
        started.push(name);
        return work();
      });
    const ask = (name: string, work: () => Promise<void>) =>
      scheduler.run(never(), () => {
        started.push(name);
        return work();
      });
    const all = [
      carry('bytes', bytes.work),
      carry('more bytes', () => Promise.resolve()),
      ask('first', first.work),
      ask('second', second.work),
    ];
    await settle();
    expect(started).toEqual(['bytes', 'first']);
    bytes.end();
    await settle();
    expect(started).toEqual(['bytes', 'first', 'second']);
    first.end();
    second.end();
    await Promise.all(all);
    expect(started.at(-1)).toBe('more bytes');
  });

  it('serves a favoured lane first', async () => {
    const scheduler = new Scheduler(1);
    const first = held();
    const [other, favoured] = [new Lane(), new Lane()];
    const started: string[] = [];
    const carry = (name: string, lane: Lane, work: () => Promise<void>) =>
      scheduler.carry(never(), { lane, bytes: 1 }, () => {
        started.push(name);
        return work();
      });
    const done = () => Promise.resolve();
    const all = [
      carry('running', other, first.work),
      carry('next', other, done),
      carry('favoured', favoured, done),
      carry('favoured too', favoured, done),
    ];
    favoured.favoured = true;
    first.end();
    await Promise.all(all);
    expect(started).toEqual(['running', 'favoured', 'favoured too', 'next']);
  });

  it('keeps to its bandwidth, and goes on when it may', async () => {
    vi.useFakeTimers();
    let now = 0;
    const scheduler = new Scheduler(10, () => now);
    scheduler.bandwidth = 1_000;
    let sent = 0;
    const all = Array.from({ length: 20 }, () =>
      scheduler.carry(never(), { lane: new Lane(), bytes: 500 }, () => {
        sent += 500;
        return Promise.resolve();
      }),
    );
    for (; now <= 9_000; now += 100) {
      await vi.advanceTimersByTimeAsync(100);
      // The burst of a second, and the one request that is paid for afterwards.
      expect(sent).toBeLessThanOrEqual(now + 1_500);
    }
    await Promise.all(all);
    expect(sent).toBe(10_000);
  });

  it('has fewer at once after failures that fewer might not have had, and tells of it', async () => {
    const scheduler = new Scheduler(100);
    const told: number[] = [];
    scheduler.subscribe((limit) => told.push(limit));
    const before = scheduler.limit;
    const fail = (error: Error) =>
      scheduler.carry(never(), { lane: new Lane(), bytes: 1 }, () => Promise.reject(error)).catch(() => undefined);
    for (let n = 0; n < 8; n++) await fail(new Error('a defect'));
    expect(told).toEqual([]);
    for (let n = 0; n < 4; n++) await fail(new NetworkError('cut off'));
    expect(scheduler.limit).toBe(before / 2);
    expect(told).toEqual([before / 2]);
  });

  it('lets go of one who leaves the queue, and never runs it', async () => {
    const scheduler = new Scheduler(1);
    const first = held();
    const lane = new Lane();
    const running = scheduler.carry(never(), { lane, bytes: 1 }, first.work);
    const abort = new AbortController();
    let ran = false;
    const waiting = scheduler.carry(abort.signal, { lane, bytes: 1 }, () => {
      ran = true;
      return Promise.resolve();
    });
    abort.abort();
    await expect(waiting).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }) as Error);
    first.end();
    await running;
    expect(ran).toBe(false);
    expect(scheduler.active).toBe(0);
  });

  it('gives room again after a failure', async () => {
    const scheduler = new Scheduler(1);
    await expect(scheduler.run(never(), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await scheduler.run(never(), () => Promise.resolve('yes'))).toBe('yes');
  });

  it('starts more at once when the limit is raised', async () => {
    const scheduler = new Scheduler(1);
    const works = [held(), held(), held()];
    const all = works.map(({ work }) => scheduler.carry(never(), { lane: new Lane(), bytes: 1 }, work));
    await settle();
    expect(scheduler.active).toBe(1);
    scheduler.ceiling = 3;
    expect(scheduler.active).toBe(3);
    for (const { end } of works) end();
    await Promise.all(all);
  });
});
