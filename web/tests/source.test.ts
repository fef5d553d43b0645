import { describe, expect, it } from 'vitest';
import { filesOfDrop, filesOfPicker } from '../src/lib/upload/source';

/** The browser's entries (File and Directory Entries API), over a tree in memory. */
interface Tree {
  [name: string]: Tree | string | Error;
}

function entryOf(name: string, node: Tree | string | Error, path: string): FileSystemEntry {
  const fullPath = `${path}/${name}`;
  if (typeof node === 'string' || node instanceof Error) {
    const file = (found: (file: File) => void, failed: (error: Error) => void) => {
      if (node instanceof Error) failed(node);
      else found(new File([node], name));
    };
    return { isDirectory: false, isFile: true, name, fullPath, file } as unknown as FileSystemEntry;
  }
  const createReader = () => {
    const rest = Object.entries(node).map(([child, under]) => entryOf(child, under, fullPath));
    // A hundred at a time, as Chromium does.
    return {
      readEntries: (found: (batch: FileSystemEntry[]) => void) => {
        found(rest.splice(0, 100));
      },
    };
  };
  return { isDirectory: true, isFile: false, name, fullPath, createReader } as unknown as FileSystemEntry;
}

describe('filesOfDrop', () => {
  it('opens folders to any depth, with the path of each file', async () => {
    const trip = { 'b.jpg': 'b', 'a.jpg': 'a', day2: { deep: { 'c.jpg': 'c' } }, empty: {} };
    const { files, unreadable } = await filesOfDrop([entryOf('trip', trip, ''), entryOf('single.jpg', 's', '')]);
    expect(files.map(({ file, relativePath }) => [file.name, relativePath])).toEqual([
      ['single.jpg', null],
      ['a.jpg', 'trip/a.jpg'],
      ['b.jpg', 'trip/b.jpg'],
      ['c.jpg', 'trip/day2/deep/c.jpg'],
    ]);
    expect(unreadable).toEqual([]);
  });

  it('reads on until a folder has given all of its entries', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_234 }, (_, n) => [`IMG_${n}.jpg`, String(n)]));
    const counts: number[] = [];
    const { files } = await filesOfDrop([entryOf('many', many, '')], (count) => counts.push(count));
    expect(files).toHaveLength(1_234);
    expect(counts.at(-1)).toBe(1_234);
    expect(files.slice(0, 3).map(({ file }) => file.name)).toEqual(['IMG_0.jpg', 'IMG_1.jpg', 'IMG_2.jpg']);
  });

  it('names what cannot be read, and takes the rest', async () => {
    const folder = { 'good.jpg': 'g', 'locked.jpg': new Error('permission denied') };
    const { files, unreadable } = await filesOfDrop([entryOf('folder', folder, '')]);
    expect(files.map(({ file }) => file.name)).toEqual(['good.jpg']);
    expect(unreadable).toEqual([{ path: 'folder/locked.jpg', reason: 'Error: permission denied' }]);
  });

  it('takes plain files where there are no entries', async () => {
    const file = new File(['x'], 'x.jpg');
    expect((await filesOfDrop([file])).files).toEqual([{ file, relativePath: null }]);
    expect(filesOfPicker([file])).toEqual([{ file, relativePath: null }]);
  });
});
