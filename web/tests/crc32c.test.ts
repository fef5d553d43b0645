import { afterEach, describe, expect, it, vi } from 'vitest';
import { checksumHere, checksumInWorkers } from '../src/lib/upload/checksum';
import { combineCrc32c, crc32c, hex32 } from '../src/lib/upload/crc32c';

const ascii = (text: string) => new TextEncoder().encode(text);

/** The same by the definition, one bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

describe('crc32c', () => {
  it.each([
    ['', '00000000'],
    ['123456789', 'e3069283'],
    ['a', 'c1d04330'],
  ])('of %j is %s', (text, digits) => {
    expect(hex32(crc32c(ascii(text)))).toBe(digits);
  });

  // RFC 3720, appendix B.4
  it.each([
    ['zeroes', new Uint8Array(32), '8a9136aa'],
    ['ones', new Uint8Array(32).fill(0xff), '62a8ab43'],
    ['ascending', Uint8Array.from({ length: 32 }, (_, i) => i), '46dd794e'],
    ['descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), '113fdb5c'],
  ])('of 32 bytes of %s is as the RFC has it', (_, bytes, digits) => {
    expect(hex32(crc32c(bytes))).toBe(digits);
  });

  it('is that of the definition, for every length and alignment around a step', () => {
    const bytes = noise(200, 7);
    for (let start = 0; start < 8; start++)
      for (let length = 0; length < 80; length++) {
        const slice = bytes.subarray(start, start + length);
        expect(crc32c(slice)).toBe(bitwise(slice));
      }
  });

  it('goes on where it left off', () => {
    const bytes = noise(1_000, 3);
    expect(crc32c(bytes.subarray(333), crc32c(bytes.subarray(0, 333)))).toBe(crc32c(bytes));
  });

  it.each([0, 1, 2, 15, 16, 17, 1_000, 65_537])('combines parts, the second of %i bytes', (length) => {
    const bytes = noise(500 + length, length);
    const [a, b] = [bytes.subarray(0, 500), bytes.subarray(500)];
    expect(combineCrc32c(crc32c(a), crc32c(b), length)).toBe(crc32c(bytes));
  });

  it('combines beyond 4 GiB, where lengths leave 32 bits', () => {
    const [a, b, c] = [0x12345678, 0x9abcdef0, 0x0f1e2d3c];
    const [lengthB, lengthC] = [5 * 2 ** 32 + 7, 3 * 2 ** 33 + 1];
    const leftFirst = combineCrc32c(combineCrc32c(a, b, lengthB), c, lengthC);
    const rightFirst = combineCrc32c(a, combineCrc32c(b, c, lengthC), lengthB + lengthC);
    expect(leftFirst).toBe(rightFirst);
  });

  it('reads a blob slice by slice', async () => {
    const bytes = noise(9 * 1024 * 1024, 11);
    expect(await checksumHere(new Blob([bytes]))).toBe(crc32c(bytes));
  });

  describe('in workers', () => {
    afterEach(() => {
      vi.unstubAllGlobals();
    });

    it('is computed here where the worker’s script could not be fetched', async () => {
      let started = 0;
      class Unloadable extends EventTarget {
        onerror: (() => void) | null = null;
        constructor() {
          super();
          started++;
          setTimeout(() => this.onerror?.());
        }
        postMessage = () => undefined;
        terminate = () => undefined;
      }
      vi.stubGlobal('Worker', Unloadable);
      const checksum = checksumInWorkers(1);
      const blobs = [noise(100, 1), noise(200, 2)];
      expect(await Promise.all(blobs.map((bytes) => checksum(new Blob([bytes]))))).toEqual(blobs.map((b) => crc32c(b)));
      await checksum(new Blob(['once more']));
      expect(started).toBe(2);
    });
  });
});
