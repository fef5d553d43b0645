import { describe, expect, it } from 'vitest';
import { PART_SIZE, slicesOf } from '../src/lib/s3/multipart';
import { mapInTurns } from '../src/lib/upload/breathe';
import { protocolOf, usefulLimit } from '../src/lib/upload/connections';
import { SpeedMeter } from '../src/lib/upload/speed';

describe('slicesOf', () => {
  it.each([1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 5 * PART_SIZE, 300_000_000])('covers %i bytes once', (size) => {
    const slices = slicesOf(size, PART_SIZE);
    expect(slices.map(({ partNumber }) => partNumber)).toEqual(slices.map((_, index) => index + 1));
    expect(slices[0]?.start).toBe(0);
    expect(slices.at(-1)?.end).toBe(size);
    slices.forEach((slice, index) => {
      expect(slice.end - slice.start).toBeLessThanOrEqual(PART_SIZE);
      expect(slice.start).toBe(slices[index - 1]?.end ?? 0);
    });
  });
});

describe('usefulLimit', () => {
  const own = 'http://127.0.0.1:8080';

  it('leaves one of six connections to the page’s own server free', () => {
    expect(usefulLimit(100, `${own}/storage/a`, own, 'http/1.1')).toBe(5);
    expect(usefulLimit(3, `${own}/storage/a`, own, 'http/1.1')).toBe(3);
    expect(usefulLimit(100, '/storage/a', own, '')).toBe(5);
    expect(usefulLimit(100, '/storage/a', own, '', 1)).toBe(4);
  });

  it('is the person’s own over HTTP/2, and to another server', () => {
    expect(usefulLimit(100, `${own}/storage/a`, own, 'h2')).toBe(100);
    expect(usefulLimit(100, 'https://s3.example/a', own, 'http/1.1')).toBe(100);
  });

  it('is six to another server without TLS, where nobody speaks HTTP/2', () => {
    expect(usefulLimit(100, 'http://s3.example:9000/a', own, 'h2')).toBe(6);
    expect(usefulLimit(2, 'http://s3.example:9000/a', own, 'h2')).toBe(2);
  });

  it('knows no protocol where nothing was loaded', () => {
    expect(protocolOf('http://nowhere.example')).toBe('');
  });
});

describe('SpeedMeter', () => {
  it('measures the last seconds', () => {
    const meter = new SpeedMeter();
    expect(meter.speed).toBe(0);
    for (let second = 0; second <= 20; second++) meter.note(second < 10 ? 0 : (second - 10) * 1_000, second * 1_000);
    expect(meter.speed).toBe(1_000);
  });

  it('begins anew where a request has to be repeated', () => {
    const meter = new SpeedMeter();
    meter.note(0, 0);
    meter.note(8_000, 1_000);
    meter.note(1_000, 2_000);
    expect(meter.speed).toBe(0);
    meter.note(3_000, 3_000);
    expect(meter.speed).toBe(2_000);
  });
});

describe('mapInTurns', () => {
  it('maps everything in order, and lets others in meanwhile', async () => {
    const slow = (n: number) => {
      const until = performance.now() + 2;
      while (performance.now() < until);
      return n * 2;
    };
    let others = 0;
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      others++;
      channel.port2.postMessage(null);
    };
    channel.port2.postMessage(null);
    const mapped = await mapInTurns([1, 2, 3, ...Array.from({ length: 37 }, () => 0)], slow);
    channel.port1.close();
    expect(mapped.slice(0, 4)).toEqual([2, 4, 6, 0]);
    expect(mapped).toHaveLength(40);
    expect(others).toBeGreaterThan(0);
  });
});
