// So many bytes are read at a time, so that no file is ever held whole.
export const PIECE = 1024 * 1024;

/**
 * A blob, piece by piece; each is to be used before the next is asked for, which may come in the same memory.
 *
 * Throws a DOMException where it cannot be read to its end: NotFoundError where the file is gone.
 */
export async function* piecesOf(blob: Blob): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const { size } = blob;
  const reader = size > PIECE ? byobReaderOf(blob) : null;
  if (!reader) {
    for (let start = 0; start < size; start += PIECE)
      yield new Uint8Array(await blob.slice(start, Math.min(size, start + PIECE)).arrayBuffer());
    return;
  }
  // One buffer for all: left to the garbage collector, those of a large file pile up to hundreds of megabytes.
  let buffer = new ArrayBuffer(PIECE);
  let read = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(buffer)).catch(async (error: unknown) => {
        // A stream does not tell why it ended.
        await blob.slice(0, 1).arrayBuffer();
        throw error;
      });
      if (done) break;
      read += value.length;
      yield value;
      buffer = value.buffer;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // it failed, and that is told above
  }
  if (read !== size) throw new DOMException(`The file ended after ${read} of ${size} bytes.`, 'NotReadableError');
}

/** Null where the browser reads into no buffer of ours. */
function byobReaderOf(blob: Blob): ReadableStreamBYOBReader | null {
  try {
    return blob.stream().getReader({ mode: 'byob' });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}
