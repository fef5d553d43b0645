import { describe, expect, it } from 'vitest';
import { jitteredDelay, retryAfter, sleep } from '../src/lib/upload/backoff';

describe('backoff', () => {
  const backoff = { base: 1_000, cap: 5_000 };

  it('draws from the whole range, which doubles up to its cap', () => {
    expect([0, 1, 2, 3, 4, 50].map((attempt) => jitteredDelay(attempt, backoff, () => 1))).toEqual([
      1_000, 2_000, 4_000, 5_000, 5_000, 5_000,
    ]);
    expect(jitteredDelay(9, backoff, () => 0)).toBe(0);
  });

  it('reads Retry-After as seconds or as a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfter('7', now)).toBe(7_000);
    expect(retryAfter('Thu, 01 Jan 2026 00:00:30 GMT', now)).toBe(30_000);
    expect(retryAfter('Wed, 31 Dec 2025 00:00:00 GMT', now)).toBe(0);
    expect(retryAfter('soon', now)).toBeNull();
    expect(retryAfter(null, now)).toBeNull();
  });

  it('wakes a sleeper whose work is called off', async () => {
    const abort = new AbortController();
    const slept = sleep(3_600_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(slept).rejects.toThrow('enough');
    await expect(sleep(0, abort.signal)).rejects.toThrow('enough');
  });
});
