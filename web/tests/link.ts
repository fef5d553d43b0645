import type { Concurrency } from '../src/lib/upload/concurrency';

/** A link as a person has one: so much a second for all requests together, and a wait before each is answered. */
export interface Link {
  /** Bytes a millisecond, of all in flight together. */
  bandwidth: (inFlight: number, at: number) => number;
  /** Milliseconds of each request in which none of its bytes flows. */
  latency: number;
  /** Bytes of the next request. */
  size: (random: () => number) => number;
  /** Whether a request fails that is begun with so many in flight. */
  fails?: (inFlight: number, random: () => number, at: number) => boolean;
}

interface Request {
  since: number;
  flowsAt: number;
  left: number;
  size: number;
  fails: boolean;
}

/** What came of a simulated upload: each change of the limit, and the bytes of each second. */
export interface Course {
  limits: { at: number; limit: number }[];
  seconds: number[];
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const STEP_MS = 10;

/** Keep as many requests on the link as `control` allows (or a fixed number), for so many seconds, from second `start` of the clock. */
export function drive(link: Link, control: Concurrency | number, seconds: number, seed = 1, start = 0): Course {
  const random = chance(seed);
  const course: Course = { limits: [], seconds: Array.from({ length: seconds }, () => 0) };
  let flying: Request[] = [];
  for (let at = start * 1_000; at < (start + seconds) * 1_000; at += STEP_MS) {
    const limit = typeof control === 'number' ? control : control.limit;
    if (course.limits.at(-1)?.limit !== limit) course.limits.push({ at, limit });
    while (flying.length < limit) {
      const size = Math.round(link.size(random));
      const fails = link.fails?.(flying.length + 1, random, at) ?? false;
      // Latency is never quite the same twice, and requests do not stay in step.
      flying.push({ since: at, flowsAt: at + link.latency * (0.8 + 0.4 * random()), left: size, size, fails });
    }
    const flowing = flying.filter(({ flowsAt }) => flowsAt <= at);
    const share = (link.bandwidth(flying.length, at) * STEP_MS) / flowing.length;
    for (const request of flowing) request.left -= share;
    const ended = flowing.filter(({ left, fails }) => left <= 0 || fails);
    flying = flying.filter((request) => !ended.includes(request));
    for (const { since, size, fails } of ended) {
      const second = Math.floor(at / 1_000) - start;
      if (!fails) course.seconds[second] = (course.seconds[second] ?? 0) + size;
      if (typeof control === 'number') continue;
      if (fails) control.failed(since, at);
      else {
        control.arrived(size, at);
        control.completed(at);
      }
    }
  }
  return course;
}

/** Bytes a second in the mean, from a second on. */
export function goodput({ seconds }: Course, from = 0, until = seconds.length): number {
  const some = seconds.slice(from, until);
  return some.reduce((sum, bytes) => sum + bytes, 0) / some.length;
}

/** The limit in the mean, from a second on. */
export function meanLimit({ limits, seconds }: Course, from = 0): number {
  const end = seconds.length * 1_000;
  let area = 0;
  limits.forEach(({ at, limit }, index) => {
    const until = limits[index + 1]?.at ?? end;
    area += limit * Math.max(0, until - Math.max(at, from * 1_000));
  });
  return area / (end - from * 1_000);
}
