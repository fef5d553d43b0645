import { describe, expect, it } from 'vitest';
import { Scheduler } from '../src/lib/upload/scheduler';

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

describe('Scheduler', () => {
  it('runs no more than its limit, in the order asked, urgent ones first', async () => {
    const scheduler = new Scheduler(2);
    const [first, second] = [held(), held()];
    const started: string[] = [];
    const ask = (name: string, work: () => Promise<void>, urgent = false) =>
      scheduler.run(
        never(),
        () => {
          started.push(name);
          return work();
        },
        urgent,
      );
    const all = [
      ask('a', first.work),
      ask('b', second.work),
      ask('c', () => Promise.resolve()),
      ask('d', () => Promise.resolve(), true),
    ];
    await settle();
    expect(started).toEqual(['a', 'b']);
    expect(scheduler.active).toBe(2);
    first.end();
    await settle();
    expect(started).toEqual(['a', 'b', 'd', 'c']);
    second.end();
    await Promise.all(all);
    expect(scheduler.active).toBe(0);
  });

  it('lets go of one who leaves the queue, and never runs it', async () => {
    const scheduler = new Scheduler(1);
    const first = held();
    const running = scheduler.run(never(), first.work);
    const abort = new AbortController();
    let ran = false;
    const waiting = scheduler.run(abort.signal, () => {
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
    const all = works.map(({ work }) => scheduler.run(never(), work));
    await settle();
    expect(scheduler.active).toBe(1);
    scheduler.limit = 3;
    expect(scheduler.active).toBe(3);
    for (const { end } of works) end();
    await Promise.all(all);
  });
});
