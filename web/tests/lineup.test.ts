import { expect, it } from 'vitest';
import { Allowance } from '../src/lib/upload/allowance';
import { Lineup } from '../src/lib/upload/lineup';

const small = (name: string) => ({ name, inParts: false });
const large = (name: string) => ({ name, inParts: true });

it('begins at least one large file, and of many small ones no fewer than three quarters', () => {
  const lineup = new Lineup<ReturnType<typeof small>>();
  for (const one of [large('L1'), large('L2'), large('L3'), ...['a', 'b', 'c'].map(small)]) lineup.add(one);
  expect(lineup.take(0, 5)?.name).toBe('L1');
  expect(lineup.take(1, 5)?.name).toBe('a');
  expect(lineup.take(1, 8)?.name).toBe('L2');
  expect(lineup.take(2, 8)?.name).toBe('b');
  expect(lineup.take(2, 8)?.name).toBe('c');
  // No small ones wait any more.
  expect(lineup.take(2, 8)?.name).toBe('L3');
  expect(lineup.take(3, 8)).toBeUndefined();
});

it('takes those at the front first, in the order in which they were put there', () => {
  const lineup = new Lineup<ReturnType<typeof small>>();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(small);
  for (const one of [a, b, c, d]) if (one) lineup.add(one);
  if (c && b) {
    lineup.addToFront(c);
    lineup.addToFront(b);
  }
  expect(lineup.takeFront()?.name).toBe('c');
  expect(['b', 'a', 'd']).toEqual([lineup.take(0, 9), lineup.take(0, 9), lineup.take(0, 9)].map((one) => one?.name));
  expect(lineup.size).toBe(0);
});

it('lets bytes go at the rate allowed, and makes up for a moment at most', () => {
  const allowance = new Allowance();
  allowance.spend(1e9, 0);
  expect(allowance.wait(0)).toBe(0);
  allowance.allow(1_000, 0);
  let sent = 0;
  for (let at = 0; at <= 60_000; at += 10)
    while (allowance.wait(at) <= 0) {
      allowance.spend(400, at);
      sent += 400;
    }
  expect(sent).toBeGreaterThanOrEqual(60_000);
  expect(sent).toBeLessThanOrEqual(61_500);
  // Unused for an hour: no more than the burst of a second.
  expect(allowance.wait(3_600_000)).toBe(0);
  allowance.spend(2_000, 3_600_000);
  expect(allowance.wait(3_600_000)).toBe(1_000);
  allowance.allow(500, 3_600_000);
  expect(allowance.wait(3_600_000)).toBe(2_000);
  allowance.allow(null, 3_600_000);
  expect(allowance.wait(3_600_000)).toBe(0);
});
