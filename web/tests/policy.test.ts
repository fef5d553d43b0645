import { describe, expect, it } from 'vitest';
import { type Attempt, ConnectionPolicy } from '../src/lib/websocket/policy';

const RUNGS = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];
const MINUTE = 60_000;

/** Chance at its highest, so that waits show their ceilings. */
const policyOf = (blocks = {}) => new ConnectionPolicy(RUNGS, () => 1, blocks);

describe('ConnectionPolicy', () => {
  it('begins with the best rung at once', () => {
    expect(policyOf().first(0)).toMatchObject({ rung: 'websocket', wait: 0, exhausted: false });
    expect(new ConnectionPolicy([]).first(0)).toBeNull();
  });

  it('tries again within a second of a loss, and never later than five seconds', () => {
    const policy = policyOf();
    policy.connected('websocket', 0);
    expect(policy.lost('websocket', MINUTE, false)).toMatchObject({ rung: 'websocket', wait: 1_000 });
    const waits = Array.from({ length: 8 }, () => policy.failed('websocket', MINUTE, false).wait);
    expect(waits).toEqual([1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
  });

  it('draws its waits evenly from zero on', () => {
    let chance = 0.25;
    const policy = new ConnectionPolicy(RUNGS, () => chance);
    policy.connected('websocket', 0);
    expect(policy.lost('websocket', MINUTE, false).wait).toBe(250);
    chance = 0;
    expect(policy.failed('websocket', MINUTE, false).wait).toBe(0);
  });

  it('gives every attempt a limit of time, and more of it where nothing comes through', () => {
    const policy = policyOf();
    expect(policy.first(0)?.within).toBe(5_000);
    const limits = Array.from({ length: 4 }, () => policy.failed('websocket', 0, false).within);
    expect(limits).toEqual([10_000, 20_000, 20_000, 20_000]);
  });

  it('steps down at once while the server answers otherwise, and not where it does not', () => {
    const policy = policyOf();
    expect(policy.failed('websocket', 0, true)).toMatchObject({ rung: 'xhr-streaming', wait: 0 });
    expect(policy.failed('xhr-streaming', 0, false)).toMatchObject({ rung: 'websocket' });
    expect(policy.blocks).toEqual({});
  });

  it('gives a rung that has worked a second chance', () => {
    const policy = policyOf();
    policy.connected('websocket', 0);
    policy.lost('websocket', MINUTE, false);
    expect(policy.failed('websocket', MINUTE, true)).toMatchObject({ rung: 'websocket', wait: 1_000 });
    expect(policy.failed('websocket', MINUTE, true)).toMatchObject({ rung: 'xhr-streaming', wait: 0 });
  });

  it('holds a rung to be blocked when one below it works, for longer each time, up to five minutes', () => {
    const policy = policyOf();
    policy.failed('websocket', 0, true);
    policy.connected('xhr-streaming', 0);
    expect(policy.lost('xhr-streaming', 5_000, true).rung).toBe('xhr-streaming');
    expect(policy.upgrade('xhr-streaming', 5_000)).toMatchObject({ rung: 'websocket', wait: 5_000 });
    let now = 0;
    const holds = Array.from({ length: 7 }, () => {
      policy.upgradeFailed('websocket', now);
      const wait = policy.upgrade('xhr-streaming', now)?.wait ?? 0;
      now += wait;
      return wait / 1_000;
    });
    expect(holds).toEqual([20, 40, 80, 160, 300, 300, 300]);
  });

  it('looks for the rung that is due soonest, and for none above the best', () => {
    const policy = policyOf();
    policy.failed('websocket', 0, true);
    policy.failed('xhr-streaming', 0, true);
    policy.connected('eventsource', 0);
    policy.upgradeFailed('websocket', 0);
    expect(policy.upgrade('eventsource', 0)).toMatchObject({ rung: 'xhr-streaming', wait: 10_000 });
    expect(policy.upgrade('websocket', 0)).toBeNull();
  });

  it('forgets a block that is over, or proved wrong', () => {
    const policy = policyOf({ websocket: { times: 3, until: MINUTE }, other: { times: 1, until: MINUTE } });
    expect(policy.first(0)?.rung).toBe('xhr-streaming');
    expect(policy.first(MINUTE)?.rung).toBe('websocket');
    policy.connected('websocket', MINUTE);
    expect(policy.blocks).toEqual({});
  });

  it('asks meanwhile where every rung has failed, and then begins from the top', () => {
    const policy = policyOf({ websocket: { times: 1, until: MINUTE } });
    let next: Attempt = policy.failed('xhr-streaming', 0, true);
    const tried = ['xhr-streaming'];
    while (!next.exhausted) {
      tried.push(next.rung);
      next = policy.failed(next.rung, 0, true);
    }
    expect(tried).toEqual(RUNGS.slice(1));
    expect(next).toMatchObject({ rung: 'websocket', wait: 4_000, exhausted: true });
    expect(policy.blocks).toEqual({});
  });

  it('steps down from a rung that breaks off again and again, but not where the server said why', () => {
    const policy = policyOf();
    for (let times = 0; times < 9; times++) {
      policy.connected('websocket', 0);
      expect(policy.lost('websocket', 1_000, true).rung).toBe('websocket');
    }
    const rungs = Array.from({ length: 5 }, () => {
      policy.connected('websocket', 0);
      return policy.lost('websocket', 1_000, false).rung;
    });
    expect(rungs).toEqual([...Array<string>(4).fill('websocket'), 'xhr-streaming']);
  });

  it('believes nothing of the network that was, once it is another', () => {
    const policy = policyOf({ websocket: { times: 3, until: MINUTE } });
    policy.networkChanged();
    expect(policy.first(0)?.rung).toBe('websocket');
  });
});
