/** What of the File System Access draft (https://wicg.github.io/file-system-access/) TypeScript does not know yet. */
interface FileSystemHandle {
  queryPermission(descriptor: { mode: 'read' }): Promise<PermissionState>;
  requestPermission(descriptor: { mode: 'read' }): Promise<PermissionState>;
}

interface DataTransferItem {
  /** Absent outside Chromium, and on pages that are not secure contexts. */
  getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
}
