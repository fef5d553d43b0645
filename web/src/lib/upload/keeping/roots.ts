import { inOrder, type Gathered } from '../source';

/**
 * Handles of what was dropped, from which the browser can read again after a reload. To be called within the event, as
 * `entriesOfDrop` is. Empty where the browser gives none: outside Chromium, and on plain HTTP from another machine.
 */
export function handlesOfDrop(transfer: DataTransfer): Promise<FileSystemHandle[]> {
  const asked = [...transfer.items].flatMap((item) =>
    item.kind === 'file' && item.getAsFileSystemHandle ? [item.getAsFileSystemHandle()] : [],
  );
  return Promise.allSettled(asked).then((settled) =>
    settled.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : [])),
  );
}

/** Whether the files below may be read, asked of the person where the browser wants that; to be called on a click. */
export async function readable(handle: FileSystemHandle): Promise<boolean> {
  if ((await handle.queryPermission({ mode: 'read' })) === 'granted') return true;
  return (await handle.requestPermission({ mode: 'read' })) === 'granted';
}

/** The files below these handles, as a drop of the same would give them; only paths that are `wanted` are opened. */
export async function filesOfRoots(
  roots: readonly FileSystemHandle[],
  wanted: (path: string) => boolean,
  onFound: (count: number) => void = () => undefined,
): Promise<Gathered> {
  const gathered: Gathered = { files: [], unreadable: [] };
  const folders: { handle: FileSystemDirectoryHandle; path: string }[] = [];

  const orUnreadable = async (path: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      gathered.unreadable.push({ path, reason: error.message });
    }
  };
  const take = (handle: FileSystemHandle, path: string): Promise<void> =>
    orUnreadable(path, async () => {
      if (isFolder(handle)) folders.push({ handle, path });
      else if (wanted(path)) {
        const file = await (handle as FileSystemFileHandle).getFile();
        gathered.files.push({ file, relativePath: path.includes('/') ? path : null });
        onFound(gathered.files.length);
      }
    });

  for (const root of roots) await take(root, root.name);
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    const { handle, path } = folder;
    await orUnreadable(path, async () => {
      const children: Promise<void>[] = [];
      for await (const child of handle.values()) children.push(take(child, `${path}/${child.name}`));
      await Promise.all(children);
    });
  }
  inOrder(gathered.files);
  return gathered;
}

function isFolder(handle: FileSystemHandle): handle is FileSystemDirectoryHandle {
  return handle.kind === 'directory';
}
