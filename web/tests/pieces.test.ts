import { describe, expect, it } from 'vitest';
import { crc32c } from '../src/lib/upload/crc32c';
import { PIECE, piecesOf } from '../src/lib/upload/pieces';

const bytesOf = (size: number) => new Uint8Array(size).map((_, at) => (at * 31 + (at >> 13)) & 255);

async function readOf(blob: Blob) {
  let size = 0;
  let crc = 0;
  for await (const piece of piecesOf(blob)) {
    size += piece.length;
    crc = crc32c(piece, crc);
  }
  return { size, crc };
}

/** A blob that is streamed as the test says. */
const streamedAs = (blob: Blob, stream: () => ReadableStream) => Object.assign(blob, { stream });

const failing = () =>
  new ReadableStream({
    type: 'bytes',
    pull: (controller) => {
      controller.error(new TypeError('network error'));
    },
  });

describe('a blob read piece by piece', () => {
  it.each([0, 1, PIECE, PIECE + 1, 3 * PIECE + 5])('is whole with %i bytes', async (size) => {
    const bytes = bytesOf(size);
    expect(await readOf(new Blob([bytes]))).toEqual({ size, crc: crc32c(bytes) });
  });

  it('is whole where the browser reads into no buffer of ours', async () => {
    const bytes = bytesOf(2 * PIECE + 3);
    const blob = streamedAs(new Blob([bytes]), () => new ReadableStream());
    expect(await readOf(blob)).toEqual({ size: bytes.length, crc: crc32c(bytes) });
  });

  it('says that the file is gone, which its stream does not', async () => {
    const blob = streamedAs(new Blob([bytesOf(2 * PIECE)]), failing);
    blob.slice = () =>
      Object.assign(new Blob(), { arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotFoundError')) });
    await expect(readOf(blob)).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }));
  });

  it('fails where the stream does though the file is there', async () => {
    await expect(readOf(streamedAs(new Blob([bytesOf(2 * PIECE)]), failing))).rejects.toThrow('network error');
  });

  it('fails where the file has become shorter', async () => {
    const blob = new Blob([bytesOf(3 * PIECE)]);
    const shorter = streamedAs(blob, () => new Blob([bytesOf(2 * PIECE)]).stream());
    await expect(readOf(shorter)).rejects.toThrow(expect.objectContaining({ name: 'NotReadableError' }));
  });
});
