/** Directories of TIFF 6.0 as far as previews go: in EXIF (CIPA DC-008) and in camera RAW made of TIFF. */
import { type Bytes, Unreadable } from './bytes';

/** A picture within a file. */
export interface Candidate {
  /** Bytes from the beginning of the TIFF part. */
  offset: number;
  length: number;
  /** Set where the pixels lie there as they are, three bytes each. */
  plain?: { width: number; height: number };
}

export interface Directories {
  candidates: Candidate[];
  /** How the photo is to be turned, 1 to 8 (EXIF's Orientation). */
  orientation: number;
}

const TAG = {
  width: 0x100,
  height: 0x101,
  bitsPerSample: 0x102,
  compression: 0x103,
  photometric: 0x106,
  stripOffsets: 0x111,
  orientation: 0x112,
  samplesPerPixel: 0x115,
  stripByteCounts: 0x117,
  subDirectories: 0x14a,
  jpegOffset: 0x201,
  jpegLength: 0x202,
} as const;

const UNCOMPRESSED = 1;
const JPEGS: ReadonlySet<number | undefined> = new Set([6, 7]);
const RGB = 2;
const SENSOR: ReadonlySet<number | undefined> = new Set([32_803, 34_892]); // colour filter array, linear raw
// TIFF itself, Panasonic's RW2, and Olympus' two.
const MAGIC: ReadonlySet<number> = new Set([42, 0x55, 0x4f52, 0x5352]);
const MOST_DIRECTORIES = 12;
const MOST_ENTRIES = 400;
const MOST_VALUES = 64;
// Short, long, sub-directory: all that is looked for is told in these.
const WIDTHS: Record<number, 2 | 4> = { 3: 2, 4: 4, 13: 4 };

/** What the directories of a TIFF part hold. Throws Unreadable. */
export async function directoriesOf(bytes: Bytes): Promise<Directories> {
  const head = await bytes.at(0, 8);
  const order = head.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) throw new Unreadable('neither II nor MM');
  const little = order === 0x4949;
  if (!MAGIC.has(head.getUint16(2, little))) throw new Unreadable('no TIFF');
  const found: Directories = { candidates: [], orientation: 1 };
  const waiting = [head.getUint32(4, little)];
  const seen = new Set<number>([0]);
  for (let at = waiting.shift(); at !== undefined && seen.size <= MOST_DIRECTORIES; at = waiting.shift()) {
    if (seen.has(at)) continue;
    const first = seen.size === 1;
    seen.add(at);
    const { values, next } = await directory(bytes, at, little);
    if (first) found.orientation = values.get(TAG.orientation)?.[0] ?? 1;
    found.candidates.push(...picturesOf(values));
    waiting.push(...(values.get(TAG.subDirectories) ?? []), next);
  }
  return found;
}

type Values = ReadonlyMap<number, number[]>;

async function directory(bytes: Bytes, at: number, little: boolean): Promise<{ values: Values; next: number }> {
  const count = (await bytes.at(at, 2)).getUint16(0, little);
  if (count > MOST_ENTRIES) throw new Unreadable('a directory of too many entries');
  const entries = await bytes.at(at + 2, count * 12);
  const wanted = new Set<number>(Object.values(TAG));
  const values = new Map<number, number[]>();
  for (let entry = 0; entry < count * 12; entry += 12) {
    const tag = entries.getUint16(entry, little);
    const width = WIDTHS[entries.getUint16(entry + 2, little)];
    const amount = entries.getUint32(entry + 4, little);
    if (!wanted.has(tag) || !width || amount > MOST_VALUES) continue;
    const inPlace = amount * width <= 4;
    const view = inPlace ? entries : await bytes.at(entries.getUint32(entry + 8, little), amount * width);
    const start = inPlace ? entry + 8 : 0;
    values.set(
      tag,
      Array.from({ length: amount }, (_, index) =>
        width === 2 ? view.getUint16(start + index * 2, little) : view.getUint32(start + index * 4, little),
      ),
    );
  }
  const end = at + 2 + count * 12;
  // Some writers leave the link to the next directory out at a file's end.
  const next = end + 4 <= bytes.size ? (await bytes.at(end, 4)).getUint32(0, little) : 0;
  return { values, next };
}

function picturesOf(values: Values): Candidate[] {
  const one = (tag: number) => values.get(tag)?.[0];
  const found: Candidate[] = [];
  const [offset, length] = [one(TAG.jpegOffset), one(TAG.jpegLength)];
  if (offset && length) found.push({ offset, length });
  const [strips, sizes] = [values.get(TAG.stripOffsets) ?? [], values.get(TAG.stripByteCounts) ?? []];
  const [at, size] = [strips[0], sizes[0]];
  if (!at || !size || strips.length !== 1 || SENSOR.has(one(TAG.photometric))) return found;
  const compression = one(TAG.compression);
  if (JPEGS.has(compression)) found.push({ offset: at, length: size });
  const [width, height] = [one(TAG.width) ?? 0, one(TAG.height) ?? 0];
  const bits = values.get(TAG.bitsPerSample) ?? [];
  const plain = compression === UNCOMPRESSED && one(TAG.photometric) === RGB && one(TAG.samplesPerPixel) === 3;
  if (plain && bits.every((each) => each === 8) && size === width * height * 3)
    found.push({ offset: at, length: size, plain: { width, height } });
  return found;
}
