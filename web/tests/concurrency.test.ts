import { describe, expect, it } from 'vitest';
import { Concurrency } from '../src/lib/upload/concurrency';
import { chance, drive, goodput, type Link, meanLimit } from './link';

/** Bytes a millisecond. */
const MBIT = 125;
const LADDER = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 100];

function linkOf(mbit: number, latency: number, bytes: number): Link {
  return { bandwidth: () => mbit * MBIT, latency, size: (random) => bytes * (0.5 + random()) };
}

/** The most that the link carries with any fixed number in flight, and the fewest that carry nearly as much. */
function bestOf(link: Link): { inFlight: number; most: number } {
  const tried = LADDER.map((inFlight) => ({ inFlight, carried: goodput(drive(link, inFlight, 60), 20) }));
  const most = Math.max(...tried.map(({ carried }) => carried));
  return { inFlight: tried.find(({ carried }) => carried >= 0.95 * most)?.inFlight ?? 1, most };
}

describe('Concurrency', () => {
  const random = chance(2026);
  const links = Array.from({ length: 10 }, () => ({
    mbit: Math.round(10 * 40 ** random()),
    latency: Math.round(20 * 25 ** random()),
    bytes: Math.round(50_000 * 60 ** random()),
  }));

  it.each(links)('comes near the best on $mbit Mbit/s, $latency ms, $bytes bytes', ({ mbit, latency, bytes }) => {
    const link = linkOf(mbit, latency, bytes);
    const best = bestOf(link);
    const course = drive(link, new Concurrency(100, 0), 150, mbit);
    expect(goodput(course, 90)).toBeGreaterThan(0.85 * best.most);
    // The first six may be doubled by chance, not again and again.
    expect(meanLimit(course, 90)).toBeLessThanOrEqual(Math.max(24, 3 * best.inFlight));
  });

  it.each(links)('keeps still on $mbit Mbit/s, $latency ms, $bytes bytes', ({ mbit, latency, bytes }) => {
    const { limits } = drive(linkOf(mbit, latency, bytes), new Concurrency(100, 0), 180, latency);
    const late = limits.filter(({ at }) => at > 90_000);
    // A trial of more, and back: a few times a minute at most, and never by more than the double.
    expect(late.length).toBeLessThanOrEqual(18);
    for (const [index, { limit }] of late.entries()) {
      const before = late[index - 1]?.limit ?? limit;
      expect(limit).toBeLessThanOrEqual(2 * before);
      expect(limit).toBeGreaterThanOrEqual(Math.floor(before / 2));
    }
  });

  it('has fewer in flight where more carry less', () => {
    // A wireless cell, say, in which each further sender costs all of them something.
    const link: Link = { ...linkOf(100, 100, 500_000), bandwidth: (n) => (100 * MBIT) / (1 + (n / 16) ** 2) };
    const best = bestOf(link);
    const course = drive(link, new Concurrency(100, 0), 180);
    expect(goodput(course, 60)).toBeGreaterThan(0.85 * best.most);
    expect(meanLimit(course, 60)).toBeLessThan(16);
  });

  it('falls back at once when a server takes no more than it can, and stays below', () => {
    const link: Link = {
      ...linkOf(1_000, 200, 300_000),
      fails: (inFlight, random) => inFlight > 20 && random() < 0.7,
    };
    const { limits } = drive(link, new Concurrency(100, 0), 180);
    const highest = limits.findIndex(({ limit }) => limit > 20);
    expect(highest).toBeGreaterThan(0);
    expect((limits[highest + 1]?.at ?? Infinity) - (limits[highest]?.at ?? 0)).toBeLessThan(2_000);
    expect(limits[highest + 1]?.limit).toBeLessThanOrEqual(20);
    expect(meanLimit({ limits, seconds: Array.from({ length: 180 }, () => 0) }, 60)).toBeLessThan(24);
  });

  it('halves when failures rise, and climbs again when they end', () => {
    const link: Link = {
      ...linkOf(400, 200, 300_000),
      fails: (_, random, at) => at > 60_000 && at < 64_000 && random() < 0.9,
    };
    const { limits, seconds } = drive(link, new Concurrency(100, 0), 180);
    const limitAt = (at: number) => limits.findLast((each) => each.at <= at)?.limit ?? 0;
    expect(limitAt(64_000)).toBeLessThanOrEqual(limitAt(60_000) / 2);
    expect(limitAt(64_000)).toBeGreaterThanOrEqual(1);
    expect(goodput({ limits, seconds }, 120)).toBeGreaterThan(0.85 * 400 * MBIT * 1_000);
  });

  it('takes the failures that a network always has for what they are', () => {
    const link: Link = { ...linkOf(100, 400, 300_000), fails: (_, random) => random() < 0.06 };
    const best = bestOf(link);
    expect(goodput(drive(link, new Concurrency(100, 0), 180), 60)).toBeGreaterThan(0.85 * best.most);
  });

  it.each([5, 100])('follows the bandwidth down and up again, under a ceiling of %i', (ceiling) => {
    const mbit = (at: number) => (at < 60_000 ? 100 : at < 180_000 ? 5 : 50);
    const link: Link = { ...linkOf(0, 200, 1_000_000), bandwidth: (_, at) => mbit(at) * MBIT };
    const control = new Concurrency(ceiling, 0);
    const course = drive(link, control, 260);
    expect(goodput(course, 20, 60)).toBeGreaterThan(0.85 * 100 * MBIT * 1_000);
    expect(goodput(course, 70, 180)).toBeGreaterThan(0.85 * 5 * MBIT * 1_000);
    expect(goodput(course, 200, 260)).toBeGreaterThan(0.85 * 50 * MBIT * 1_000);
    expect(Math.max(...course.limits.map(({ limit }) => limit))).toBeLessThanOrEqual(ceiling);
    const low = course.limits.filter(({ at }) => at > 60_000 && at < 180_000).map(({ limit }) => limit);
    expect(Math.min(...low)).toBeLessThan(ceiling);
  });

  it('grows not at all while nobody wants more', () => {
    const control = new Concurrency(100, 0);
    for (let at = 0; at < 60_000; at += 100) {
      control.holdsBack(false, at);
      control.arrived(100_000, at);
      control.completed(at);
    }
    expect(control.limit).toBe(6);
  });

  it('obeys its ceiling, and climbs on when that is raised', () => {
    const control = new Concurrency(2, 0);
    expect(drive(linkOf(1_000, 400, 300_000), control, 20).limits).toEqual([{ at: 0, limit: 2 }]);
    control.ceiling = 1;
    expect(control.limit).toBe(1);
    control.ceiling = 100;
    expect(control.limit).toBe(6);
    const { limits } = drive(linkOf(1_000, 400, 300_000), control, 40, 1, 20);
    expect(limits.at(-1)?.limit).toBeGreaterThan(32);
  });
});
