/** Canon CR3: boxes with pictures of Canon's own among them (as described in github.com/lclevy/canon_cr3). */
import { boxesIn, topBox } from './boxes';
import type { Bytes } from './bytes';
import { type Directories, directoriesOf } from './tiff';

const CANON = '85c0b687820f11e08111f4ce462b6a48';
// Version and flags, width, height, and what nobody knows, around the length of the JPEG that follows.
const LENGTH_AT = 8;
const JPEG_AT = 16;

/**
 * The thumbnail, THMB in moov's first uuid box, at its place in the file; and from CMT1, the main directory beside it,
 * how it is to be turned. Throws Unreadable.
 */
export async function thumbnailOf(bytes: Bytes): Promise<Directories> {
  const { start: moov, content } = await topBox(bytes, 'moov');
  const found: Directories = { candidates: [], orientation: 1 };
  for (const { type, start, end } of boxesIn(content, 0, content.byteLength)) {
    if (type !== 'uuid' || uuidAt(content, start) !== CANON) continue;
    for (const box of boxesIn(content, start + 16, end)) {
      if (box.type === 'THMB' && box.start + JPEG_AT <= box.end)
        found.candidates.push({
          offset: moov + box.start + JPEG_AT,
          length: Math.min(content.getUint32(box.start + LENGTH_AT), box.end - box.start - JPEG_AT),
        });
      if (box.type === 'CMT1')
        found.orientation = (await directoriesOf(bytes.from(moov + box.start, box.end - box.start))).orientation;
    }
  }
  return found;
}

function uuidAt(view: DataView, offset: number): string {
  return Array.from({ length: 16 }, (_, index) =>
    view
      .getUint8(offset + index)
      .toString(16)
      .padStart(2, '0'),
  ).join('');
}
