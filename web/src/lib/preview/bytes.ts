// A file's head, which holds almost all that is looked for; and what is read at a time elsewhere.
const HEAD = 64 * 1024;
const BLOCK = 16 * 1024;

/** A file is not what it says: there is no preview to be had from it. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** A file read where it is asked, in small pieces: never as a whole. */
export class Bytes {
  private blocks = new Map<number, DataView>();

  constructor(readonly blob: Blob) {}

  get size(): number {
    return this.blob.size;
  }

  /** `length` bytes from `start`. Throws Unreadable where the file has not so many. */
  async at(start: number, length: number): Promise<DataView> {
    if (start < 0 || length < 0 || start + length > this.size) throw new Unreadable('beyond the end of the file');
    for (const [from, block] of this.blocks)
      if (start >= from && start + length <= from + block.byteLength)
        return new DataView(block.buffer, start - from, length);
    const end = Math.min(this.size, start === 0 ? Math.max(HEAD, length) : start + Math.max(BLOCK, length));
    const block = new DataView(await this.blob.slice(start, end).arrayBuffer());
    this.blocks.set(start, block);
    return new DataView(block.buffer, 0, length);
  }

  /** The same file from `start` on, as a file of its own. */
  from(start: number, length = this.size - start): Bytes {
    return new Bytes(this.blob.slice(start, start + length));
  }
}

/** Text of `length` ASCII characters at `offset`. */
export function ascii(view: DataView, offset: number, length: number): string {
  let text = '';
  for (let index = offset; index < offset + length; index++) text += String.fromCharCode(view.getUint8(index));
  return text;
}
