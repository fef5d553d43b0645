/** Finds the picture that a camera put into its file for a quick look: of the file itself little is read. */
import { brandOf } from './boxes';
import { ascii, Bytes, Unreadable } from './bytes';
import { thumbnailOf } from './cr3';
import { itemsOf } from './heif';
import { exifOf, frameOf, isJpeg } from './jpeg';
import { type Candidate, directoriesOf } from './tiff';

/** A preview: a piece of the file, and how it is to be turned (EXIF's Orientation, 1 to 8). */
export interface Preview {
  /** A JPEG; or, with `plain`, pixels of three bytes. */
  blob: Blob;
  orientation: number;
  size: { width: number; height: number };
  plain: boolean;
}

// What is shown is 44 pixels wide: smaller than this it would not be sharp, larger it takes time and memory.
const ENOUGH = 88;
// A camera's own preview in full size is beyond what a list of rows is worth.
const LARGEST = 4 * 1024 * 1024;

/** The smallest preview that is large enough to be shown; null for a file without one. Throws where it cannot be read. */
export async function findPreview(file: Blob): Promise<Preview | null> {
  try {
    return await previewIn(new Bytes(file));
  } catch (error) {
    // A file that is not what it says, or ends early: RangeError is how a DataView says so.
    if (error instanceof Unreadable || error instanceof RangeError) return null;
    throw error;
  }
}

async function previewIn(bytes: Bytes): Promise<Preview | null> {
  if (bytes.size < 32) return null;
  if (await isJpeg(bytes)) return inJpeg(bytes);
  const brand = await brandOf(bytes);
  if (brand === 'crx ') return inCr3(bytes);
  if (brand !== null) return inHeif(bytes);
  // Fujifilm's RAF: a JPEG as the camera makes it, with its own EXIF, at a fixed place.
  const head = await bytes.at(0, 16);
  if (ascii(head, 0, 16) === 'FUJIFILMCCD-RAW ') {
    const place = await bytes.at(84, 8);
    return inJpeg(bytes.from(place.getUint32(0), place.getUint32(4)));
  }
  return inTiff(bytes);
}

async function inJpeg(bytes: Bytes): Promise<Preview | null> {
  const exif = await exifOf(bytes);
  return exif && inTiff(bytes.from(exif.start, exif.length));
}

async function inTiff(bytes: Bytes): Promise<Preview | null> {
  const { candidates, orientation } = await directoriesOf(bytes);
  return best(bytes, candidates, orientation);
}

async function inCr3(bytes: Bytes): Promise<Preview | null> {
  const { candidates, orientation } = await thumbnailOf(bytes);
  return best(bytes, candidates, orientation);
}

async function inHeif(bytes: Bytes): Promise<Preview | null> {
  const items = await itemsOf(bytes);
  const exif = items.find(({ type }) => type === 'Exif');
  if (exif) {
    // ISO/IEC 23008-12, annex A: how many bytes there are before the TIFF header.
    const skipped = (await bytes.at(exif.offset, 4)).getUint32(0) + 4;
    const found = await inTiff(bytes.from(exif.offset + skipped, exif.length - skipped));
    // HEIF turns its pictures itself and leaves EXIF's word standing: the thumbnail in EXIF lies as the photo did.
    if (found) return found;
  }
  return best(
    bytes,
    items.filter(({ type }) => type === 'jpeg'),
    1,
  );
}

/** Of the pictures that can be shown, the smallest that is large enough, or else the largest. */
async function best(bytes: Bytes, candidates: readonly Candidate[], orientation: number): Promise<Preview | null> {
  const found: Preview[] = [];
  for (const { offset, length, plain } of candidates) {
    if (length > LARGEST || offset + length > bytes.size) continue;
    const picture = bytes.from(offset, length);
    const size = plain ?? (await frameOf(picture));
    if (size && size.width > 0 && size.height > 0)
      found.push({
        blob: bytes.blob.slice(offset, offset + length, plain ? '' : 'image/jpeg'),
        orientation: orientation >= 1 && orientation <= 8 ? orientation : 1,
        size,
        plain: Boolean(plain),
      });
  }
  const edge = ({ size }: Preview) => Math.min(size.width, size.height);
  found.sort((a, b) => edge(a) - edge(b));
  return found.find((preview) => edge(preview) >= ENOUGH) ?? found.at(-1) ?? null;
}
