/** The markers of a JPEG file (ITU-T T.81, annex B). */
import { ascii, type Bytes } from './bytes';

const START = 0xffd8;
const APP1 = 0xffe1;
const SCAN = 0xffda;
// Baseline, extended and progressive: what browsers show. RAW data may be JPEG too, lossless (SOF3).
const FRAMES: ReadonlySet<number> = new Set([0xffc0, 0xffc1, 0xffc2]);
const OTHER_FRAMES: ReadonlySet<number> = new Set([
  0xffc3, 0xffc5, 0xffc6, 0xffc7, 0xffc9, 0xffca, 0xffcb, 0xffcd, 0xffce, 0xffcf,
]);
const MOST_SEGMENTS = 64;

export async function isJpeg(bytes: Bytes): Promise<boolean> {
  return bytes.size > 4 && (await bytes.at(0, 2)).getUint16(0) === START;
}

/** Where the EXIF part of a JPEG lies; null where it has none. */
export async function exifOf(jpeg: Bytes): Promise<{ start: number; length: number } | null> {
  for await (const { marker, start, length } of segments(jpeg)) {
    if (marker !== APP1 || length < 14) continue;
    if (ascii(await jpeg.at(start, 6), 0, 6) === 'Exif\0\0') return { start: start + 6, length: length - 6 };
  }
  return null;
}

/** The size of a JPEG that browsers can show; null for any other. */
export async function frameOf(jpeg: Bytes): Promise<{ width: number; height: number } | null> {
  if (!(await isJpeg(jpeg))) return null;
  for await (const { marker, start } of segments(jpeg)) {
    if (OTHER_FRAMES.has(marker)) return null;
    if (!FRAMES.has(marker)) continue;
    const frame = await jpeg.at(start, 5);
    return frame.getUint8(0) === 8 ? { height: frame.getUint16(1), width: frame.getUint16(3) } : null;
  }
  return null;
}

async function* segments(jpeg: Bytes): AsyncGenerator<{ marker: number; start: number; length: number }> {
  let at = 2;
  for (let count = 0; count < MOST_SEGMENTS && at + 4 <= jpeg.size; count++) {
    const head = await jpeg.at(at, 4);
    const marker = head.getUint16(0);
    if (marker === 0xffff) {
      at++; // fill bytes
      continue;
    }
    if (marker < 0xff00 || marker === SCAN) return;
    const length = head.getUint16(2);
    yield { marker, start: at + 4, length: length - 2 };
    at += 2 + length;
  }
}
