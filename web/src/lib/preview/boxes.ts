/** The boxes that HEIF, CR3 and their like are made of (ISO/IEC 14496-12, 4.2). */
import { ascii, type Bytes, Unreadable } from './bytes';

/** What is in a box: from `start` to before `end`. */
export interface Box {
  type: string;
  start: number;
  end: number;
}

const MOST_BOXES = 64;
const LARGEST = 1024 * 1024;

/** The major brand of a file made of boxes; null for any other file. Throws Unreadable. */
export async function brandOf(bytes: Bytes): Promise<string | null> {
  const head = await bytes.at(0, 12);
  return ascii(head, 4, 4) === 'ftyp' ? ascii(head, 8, 4) : null;
}

/**
 * The first box of a type at the top of a file: where its content lies, and that content.
 *
 * Throws Unreadable where there is none before the picture data, or it is larger than anything that is looked for here.
 */
export async function topBox(bytes: Bytes, type: string): Promise<{ start: number; content: DataView }> {
  let at = 0;
  for (let count = 0; count < MOST_BOXES && at + 8 <= bytes.size; count++) {
    const head = await bytes.at(at, 8);
    const size = head.getUint32(0);
    if (ascii(head, 4, 4) === type) {
      if (size > LARGEST) throw new Unreadable(`a ${type} box too large`);
      return { start: at + 8, content: await bytes.at(at + 8, size - 8) };
    }
    if (size < 8) break; // 1: a 64-bit size, of the picture data; 0: up to the end. What is looked for comes before either
    at += size;
  }
  throw new Unreadable(`no ${type} box`);
}

/** The boxes that stand one after the other in a part of `view`. */
export function* boxesIn(view: DataView, from: number, end: number): Generator<Box> {
  for (let at = from; at + 8 <= end;) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > end) return;
    yield { type: ascii(view, at + 4, 4), start: at + 8, end: at + size };
    at += size;
  }
}
