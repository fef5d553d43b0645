/** The items of a HEIF file (ISO/IEC 23008-12 over ISO 14496-12), as far as where they lie. */
import { type Box, boxesIn, topBox } from './boxes';
import { ascii, type Bytes, Unreadable } from './bytes';

export interface Item {
  /** `Exif`, `jpeg`, `hvc1` … */
  type: string;
  offset: number;
  length: number;
}

const MOST_ITEMS = 4_096;

/** Every item that lies in one piece in the file. Throws Unreadable. */
export async function itemsOf(bytes: Bytes): Promise<Item[]> {
  const { content: meta } = await topBox(bytes, 'meta');
  const boxes = new Map<string, Box>();
  // `meta` is a full box: version and flags come first.
  for (const box of boxesIn(meta, 4, meta.byteLength)) boxes.set(box.type, box);
  const [info, places] = [boxes.get('iinf'), boxes.get('iloc')];
  if (!info || !places) throw new Unreadable('no items');
  const types = typesIn(meta, info);
  return placesIn(meta, places).flatMap(({ id, offset, length }) => {
    const type = types.get(id);
    return type === undefined ? [] : [{ type, offset, length }];
  });
}

function typesIn(view: DataView, { start, end }: Box): Map<number, string> {
  const wide = view.getUint8(start) > 0;
  const types = new Map<number, string>();
  for (const entry of boxesIn(view, start + (wide ? 8 : 6), end)) {
    const version = view.getUint8(entry.start);
    if (entry.type !== 'infe' || version < 2) continue;
    const id = version === 2 ? view.getUint16(entry.start + 4) : view.getUint32(entry.start + 4);
    types.set(id, ascii(view, entry.start + (version === 2 ? 8 : 10), 4));
    if (types.size > MOST_ITEMS) break;
  }
  return types;
}

function placesIn(view: DataView, { start }: Box): { id: number; offset: number; length: number }[] {
  const version = view.getUint8(start);
  const sizes = view.getUint16(start + 4);
  const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15];
  const indexSize = version > 0 ? sizes & 15 : 0;
  let at = start + 6;
  const number = (size: number) => {
    let value = 0;
    for (let count = 0; count < size; count++) value = value * 256 + view.getUint8(at++);
    return value;
  };
  const found = [];
  for (let left = Math.min(MOST_ITEMS, number(version < 2 ? 2 : 4)); left > 0; left--) {
    const id = number(version < 2 ? 2 : 4);
    const inFile = version === 0 || (number(2) & 15) === 0;
    at += 2; // data_reference_index
    const base = number(baseSize);
    const extents = number(2);
    let [offset, length] = [0, 0];
    for (let extent = 0; extent < extents; extent++) {
      at += indexSize;
      [offset, length] = [number(offsetSize), number(lengthSize)];
    }
    if (inFile && extents === 1) found.push({ id, offset: base + offset, length });
  }
  return found;
}
