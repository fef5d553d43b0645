import { breathe } from './breathe';

// For each file that is asked for the page stands still until the browser has looked at the disk, half a millisecond
// or more, and answers that have piled up come without a pause between them.
const ASKED_AT_ONCE = 16;

/** A file to be sent, with its path within the folder that was chosen, if one was. */
export interface SourceFile {
  file: File;
  relativePath: string | null;
}

export interface Gathered {
  files: SourceFile[];
  /** Paths that could not be read, each with the reason. */
  unreadable: { path: string; reason: string }[];
}

/** What a file or folder picker gave. */
export function filesOfPicker(list: Iterable<File>): SourceFile[] {
  return inOrder([...list].map((file) => ({ file, relativePath: file.webkitRelativePath || null })));
}

/**
 * The entries of a drop. To be called within the event: its items are empty afterwards.
 *
 * Where the browser knows no entries, the plain files are all there is.
 */
export function entriesOfDrop(transfer: DataTransfer): (FileSystemEntry | File)[] {
  const found: (FileSystemEntry | File)[] = [];
  for (const item of transfer.items) {
    if (item.kind !== 'file') continue;
    const dropped = item.webkitGetAsEntry() ?? item.getAsFile();
    if (dropped) found.push(dropped);
  }
  return found;
}

/** Every file under the dropped entries, folders opened to any depth. `onFound` hears the count as it grows. */
export async function filesOfDrop(
  entries: readonly (FileSystemEntry | File)[],
  onFound: (count: number) => void = () => undefined,
): Promise<Gathered> {
  const gathered: Gathered = { files: [], unreadable: [] };
  const folders: FileSystemDirectoryEntry[] = [];

  const take = async (entry: FileSystemEntry | File): Promise<void> => {
    if (entry instanceof File) {
      gathered.files.push({ file: entry, relativePath: null });
    } else if (isFolder(entry)) {
      folders.push(entry);
    } else {
      const file = await orUnreadable(entry, fileOf(entry as FileSystemFileEntry));
      const path = entry.fullPath.replace(/^\//, '');
      if (file) gathered.files.push({ file, relativePath: path.includes('/') ? path : null });
    }
  };

  const orUnreadable = async <T>(entry: FileSystemEntry, work: Promise<T>): Promise<T | null> => {
    try {
      return await work;
    } catch (error) {
      gathered.unreadable.push({ path: entry.fullPath.replace(/^\//, ''), reason: String(error) });
      return null;
    }
  };

  const takeAll = async (found: readonly (FileSystemEntry | File)[]): Promise<void> => {
    for (let start = 0; start < found.length; start += ASKED_AT_ONCE) {
      await Promise.all(found.slice(start, start + ASKED_AT_ONCE).map(take));
      await breathe();
    }
    onFound(gathered.files.length);
  };

  await takeAll(entries);
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    const reader = folder.createReader();
    // Browsers give some hundred entries at a time, and an empty list at the end.
    for (;;) {
      const batch = await orUnreadable(folder, readBatch(reader));
      if (!batch?.length) break;
      await takeAll(batch);
    }
  }
  inOrder(gathered.files);
  return gathered;
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Sorted in place by path, as a person counts: IMG_2 before IMG_10. */
export function inOrder(files: SourceFile[]): SourceFile[] {
  return files.sort((a, b) => collator.compare(pathOf(a), pathOf(b)));
}

/** A file's path within what was chosen, or its name. */
export function pathOf({ file, relativePath }: SourceFile): string {
  return relativePath ?? file.name;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => {
    entry.file(resolve, reject);
  });
}

function readBatch(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => {
    reader.readEntries(resolve, reject);
  });
}
