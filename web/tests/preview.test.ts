import { describe, expect, it } from 'vitest';
import { findPreview } from '../src/lib/preview/find';

type Entry = [tag: number, type: 3 | 4, ...values: number[]];

const u16 = (value: number, little: boolean) => (little ? [value & 255, value >> 8] : [value >> 8, value & 255]);
const u32 = (value: number, little: boolean) =>
  little
    ? [...u16(value & 0xffff, true), ...u16(value >>> 16, true)]
    : [...u16(value >>> 16, false), ...u16(value & 0xffff, false)];
const text = (word: string) => Array.from(word, (char) => char.charCodeAt(0));

/** A JPEG as far as its frame; `marker` is 0xc0 for one that browsers show, 0xc3 for a sensor's lossless one. */
function jpeg(width: number, height: number, marker = 0xc0, more: number[] = []): number[] {
  const frame = [0xff, marker, 0, 11, 8, ...u16(height, false), ...u16(width, false), 1, 1, 0x11, 0];
  return [0xff, 0xd8, ...more, ...frame, 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];
}

/** A TIFF part of these directories, each following the one before; values of more than four bytes and pictures come behind. */
function tiff(directories: Entry[][], pictures: number[][] = [], little = true, magic = 42): number[] {
  const sizes = directories.map((entries) => 2 + entries.length * 12 + 4);
  const starts = sizes.map((_, index) => 8 + sizes.slice(0, index).reduce((sum, size) => sum + size, 0));
  let behind = 8 + sizes.reduce((sum, size) => sum + size, 0);
  const extra: number[] = [];
  const places = pictures.map((picture) => {
    const at = behind + extra.length;
    extra.push(...picture);
    return at;
  });
  behind += extra.length;
  const tail: number[] = [];
  const place = (value: number) => (value < 0 ? (places[-value - 1] ?? 0) : value); // -1: the first picture
  const bytes = [...(little ? [0x49, 0x49] : [0x4d, 0x4d]), ...u16(magic, little), ...u32(8, little)];
  directories.forEach((entries, index) => {
    bytes.push(...u16(entries.length, little));
    for (const [tag, type, ...values] of entries) {
      const written = values.map(place).flatMap((value) => (type === 3 ? u16(value, little) : u32(value, little)));
      bytes.push(...u16(tag, little), ...u16(type, little), ...u32(values.length, little));
      if (written.length <= 4) bytes.push(...written, ...Array<number>(4 - written.length).fill(0));
      else {
        bytes.push(...u32(behind + tail.length, little));
        tail.push(...written);
      }
    }
    bytes.push(...u32(starts[index + 1] ?? 0, little));
  });
  return [...bytes, ...extra, ...tail];
}

const file = (bytes: number[]) => new Blob([new Uint8Array(bytes)]);
const THUMB = jpeg(160, 120);
const embedded = (index: number, picture: number[]): Entry[] => [
  [0x201, 4, -index],
  [0x202, 4, picture.length],
];

// 160 by 120 pixels of grey, as a real encoder writes them.
const GREY = [
  ...Buffer.from(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI//////////////////////////////////////////////' +
      '//////wAALCAB4AKABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oACAEBAAA/AJgAAAAAAAAAAAAAAAAA' +
      'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA//2Q==',
    'base64',
  ),
];

const box = (type: string, ...content: number[]) => [...u32(content.length + 8, false), ...text(type), ...content];

/** A HEIF file of one item. */
function heif(type: string, item: number[]): number[] {
  const ftyp = box('ftyp', ...text('heic'), 0, 0, 0, 0);
  const infe = box('infe', 2, 0, 0, 0, 0, 7, 0, 0, ...text(type), 0);
  const iinf = box('iinf', 0, 0, 0, 0, 0, 1, ...infe);
  const iloc = (offset: number) =>
    box('iloc', 0, 0, 0, 0, 0x44, 0, 0, 1, 0, 7, 0, 0, 0, 1, ...u32(offset, false), ...u32(item.length, false));
  const meta = (offset: number) => box('meta', 0, 0, 0, 0, ...iinf, ...iloc(offset));
  const start = ftyp.length + meta(0).length;
  return [...ftyp, ...meta(start), ...item];
}

/** A CR3 file as Canon's cameras lay it out: what is known of the photo, its thumbnail, a preview, and then the data. */
function cr3(thumbnail: number[], length = thumbnail.length, moov = 'moov'): number[] {
  const uuid = (name: string, ...content: number[]) => box('uuid', ...Buffer.from(name, 'hex'), ...content);
  const size = [...u16(160, false), ...u16(120, false), ...u32(length, false)];
  const canon = uuid(
    '85c0b687820f11e08111f4ce462b6a48',
    ...box('CNCV', ...text('CanonCR3_001/00.09.00/00.00.00')),
    ...box('CMT1', ...tiff([[[0x112, 3, 8]]])),
    ...box('THMB', 0, 0, 0, 0, ...size, 0, 1, 0, 0, ...thumbnail, 0, 0, 0, 0),
  );
  const preview = jpeg(1_620, 1_080);
  const prvw = box(
    'PRVW',
    ...u32(0, false),
    ...u32(1, false),
    ...u32(0, false),
    ...u32(preview.length, false),
    ...preview,
  );
  return [
    ...box('ftyp', ...text('crx '), 0, 0, 0, 1, ...text('crx isom')),
    ...box(moov, ...canon, ...box('mvhd', ...Array<number>(100).fill(0))),
    ...uuid('eaf42b5e1c984b88b9fbb7dc406e4d16', 0, 0, 0, 0, 0, 0, 0, 1, ...prvw),
    ...[...u32(1, false), ...text('mdat'), ...u32(0, false), ...u32(1_016, false), ...Array<number>(1_000).fill(7)],
  ];
}

async function bytesOf(found: Awaited<ReturnType<typeof findPreview>>): Promise<number[]> {
  return [...new Uint8Array((await found?.blob.arrayBuffer()) ?? new ArrayBuffer(0))];
}

/** A JPEG with an EXIF part, behind a comment as editors leave them. */
function withExif(exif: number[]): number[] {
  const segment = [...text('Exif\0\0'), ...exif];
  const comment = [0xff, 0xfe, 0, 6, ...text('note')];
  return jpeg(4_000, 3_000, 0xc0, [...comment, 0xff, 0xe1, ...u16(segment.length + 2, false), ...segment]);
}

describe('findPreview', () => {
  it.each([true, false])('cuts the thumbnail out of EXIF, in either order of bytes (little: %s)', async (little) => {
    const exif = tiff([[[0x112, 3, 6]], embedded(1, THUMB)], [THUMB], little);
    const found = await findPreview(file(withExif(exif)));
    expect(found).toMatchObject({ orientation: 6, size: { width: 160, height: 120 }, plain: false });
    expect(await bytesOf(found)).toEqual(THUMB);
  });

  it('finds it in a RAW file, and takes neither what the sensor saw nor more than is needed', async () => {
    const [sensor, full] = [jpeg(6_000, 4_000, 0xc3), jpeg(6_000, 4_000)];
    // As Canon's CR2: a full picture in the first directory, the thumbnail in the second, lossless data in the last.
    const strip = (index: number, picture: number[]): Entry[] => [
      [0x103, 3, 6],
      [0x111, 4, -index],
      [0x117, 4, picture.length],
    ];
    const raw = tiff([strip(1, full), embedded(2, THUMB), strip(3, sensor)], [full, THUMB, sensor]);
    expect(await bytesOf(await findPreview(file(raw)))).toEqual(THUMB);
  });

  it('goes into the directories below, as Nikon and DNG have them', async () => {
    // The second directory is reached by SubIFDs alone: it lies just behind the first, whose link to it is taken out.
    const place = 8 + 2 + 12 + 4;
    const linked = tiff([[[0x14a, 4, place]], embedded(1, THUMB)], [THUMB]);
    linked.splice(place - 4, 4, 0, 0, 0, 0);
    expect(await bytesOf(await findPreview(file(linked)))).toEqual(THUMB);
  });

  it('takes plain pixels where there is nothing else', async () => {
    const pixels = Array.from({ length: 8 * 4 * 3 }, (_, index) => index);
    const raw = tiff(
      [
        [
          [0x100, 4, 8],
          [0x101, 4, 4],
          [0x102, 3, 8, 8, 8],
          [0x103, 3, 1],
          [0x106, 3, 2],
          [0x111, 4, -1],
          [0x115, 3, 3],
          [0x117, 4, pixels.length],
        ],
      ],
      [pixels],
    );
    const found = await findPreview(file(raw));
    expect(found).toMatchObject({ plain: true, size: { width: 8, height: 4 } });
    expect(await bytesOf(found)).toEqual(pixels);
  });

  it('finds it in the EXIF item of a HEIF file', async () => {
    const exif = tiff([[[0x112, 3, 3]], embedded(1, THUMB)], [THUMB], false);
    const item = [...u32(6, false), ...text('Exif\0\0'), ...exif];
    const found = await findPreview(file(heif('Exif', item)));
    expect(found?.orientation).toBe(3);
    expect(await bytesOf(found)).toEqual(THUMB);
  });

  it('finds the thumbnail in Canon’s CR3, and how it is to be turned', async () => {
    const found = await findPreview(file(cr3(GREY)));
    expect(found).toMatchObject({ orientation: 8, size: { width: 160, height: 120 }, plain: false });
    expect(await bytesOf(found)).toEqual(GREY);
  });

  it.each([
    ['a JPEG', withExif(tiff([[[0x112, 3, 1]], embedded(1, THUMB)], [THUMB]))],
    ['a CR3', cr3(GREY)],
  ])('reads little of a large file: %s', async (_, head) => {
    const bytes = new Uint8Array(3_000_000);
    bytes.set(head);
    let read = 0;
    class Counted extends Blob {
      override slice(start?: number, end?: number, type?: string): Blob {
        const slice = super.slice(start, end, type);
        const arrayBuffer = slice.arrayBuffer.bind(slice);
        slice.arrayBuffer = () => {
          read += slice.size;
          return arrayBuffer();
        };
        return slice;
      }
    }
    expect(await findPreview(new Counted([bytes]))).not.toBeNull();
    expect(read).toBeLessThan(200_000);
  });

  it.each([
    ['an empty file', []],
    ['words', text('no photo at all '.repeat(20))],
    ['a JPEG without EXIF', jpeg(4_000, 3_000)],
    ['EXIF that ends early', withExif(tiff([[[0x112, 3, 1]], embedded(1, THUMB)], [THUMB])).slice(0, 60)],
    ['EXIF that leads beyond the end', withExif(tiff([[], [[0x201, 4, 90_000], [0x202, 4, 5_000]]]))], // prettier-ignore
    ['directories in a circle', (() => {
      const circle = tiff([[[0x112, 3, 1]]]);
      circle.splice(circle.length - 4, 4, 8, 0, 0, 0);
      return circle;
    })()], // prettier-ignore
    ['HEIC that holds no JPEG', heif('hvc1', [1, 2, 3, 4, 5, 6, 7, 8])],
    ['HEIC whose EXIF holds none', heif('Exif', [...u32(0, false), ...tiff([[[0x112, 3, 6]]])])],
    ['a CR3 without its part of Canon', cr3(GREY, GREY.length, 'free')],
    ['a CR3 that ends early', cr3(GREY).slice(0, 300)],
    ['a CR3 whose thumbnail is none', cr3(text('nothing at all, and a little more'))],
    ['a thumbnail that is none', withExif(tiff([[], embedded(1, text('nothing'))], [text('nothing')]))],
  ] satisfies [string, number[]][])('has none to show of %s', async (_, bytes) => {
    expect(await findPreview(file(bytes))).toBeNull();
  });
});
