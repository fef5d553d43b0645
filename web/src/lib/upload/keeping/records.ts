import { open, result, write } from './database';

/** A file whose upload was begun, as it was then. */
export interface KeptFile {
  photoId: string;
  jobId: string;
  /** Within the folder chosen, or the name alone. */
  path: string;
  size: number;
  /** Unix milliseconds. */
  lastModified: number;
  /** Of a file that goes in parts, once it was looked into. */
  probe?: string;
}

/** What was dropped or picked for a job: from it the browser can read the files again. */
export interface KeptRoot {
  jobId: string;
  name: string;
  handle: FileSystemHandle;
}

const VERSION = 1;
const FILES = 'files';
const ROOTS = 'roots';
// So many are kept at most: what is beyond them resumes by the server's list alone.
const MOST_FILES = 100_000;
// For each of them the browser may ask: of hundreds of single files, a new drop is the shorter way.
const MOST_ROOTS = 32;
// A hundred are copied in a few milliseconds, and nobody waits for a longer breath.
const MOST_AT_ONCE = 100;
const FORGET_EVERY_MS = 500;

/**
 * What this browser keeps of uploads under way, over reloads and crashes. Writes go in batches, in order. Where the
 * browser keeps nothing (a full disk, a private window), `onTrouble` hears of it once and uploads go on.
 */
export class Records {
  private opened: { name: string; db: Promise<IDBDatabase> } | null = null;
  private turn: Promise<void> = Promise.resolve();
  private readonly forgotten = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private trouble = false;

  /** `name` tells one person on one server from all others. */
  constructor(
    private readonly name: () => string,
    private readonly onTrouble: (reason: string) => void,
  ) {}

  /** Keep these files. */
  keep(files: readonly KeptFile[]): void {
    if (files.length === 0) return;
    this.queue(async (db) => {
      const room = MOST_FILES - (await result(db.transaction(FILES).objectStore(FILES).count()));
      const kept = files.slice(0, Math.max(0, room));
      for (let start = 0; start < kept.length; start += MOST_AT_ONCE) {
        await write(db, [FILES], (transaction) => {
          const store = transaction.objectStore(FILES);
          for (const file of kept.slice(start, start + MOST_AT_ONCE)) store.put(file);
        });
      }
    });
  }

  /** Note the probe of a file that is kept. */
  note(photoId: string, probe: string): void {
    this.queue((db) =>
      write(db, [FILES], (transaction) => {
        const store = transaction.objectStore(FILES);
        const asked = store.get(photoId) as IDBRequest<KeptFile | undefined>;
        asked.onsuccess = () => {
          if (asked.result) store.put({ ...asked.result, probe });
        };
      }),
    );
  }

  /** Keep from where the files of a job can be read again. */
  keepRoots(jobId: string, handles: readonly FileSystemHandle[]): void {
    if (handles.length === 0) return;
    this.queue((db) =>
      write(db, [ROOTS], (transaction) => {
        const store = transaction.objectStore(ROOTS);
        for (const handle of handles.slice(0, MOST_ROOTS))
          store.put({ jobId, name: handle.name, handle } satisfies KeptRoot);
      }),
    );
  }

  /** These have nothing left to send. */
  forget(photoIds: Iterable<string>): void {
    for (const photoId of photoIds) this.forgotten.add(photoId);
    this.timer ??= setTimeout(() => {
      this.flush();
    }, FORGET_EVERY_MS);
  }

  /** Forget all of these jobs. */
  async forgetJobs(jobIds: ReadonlySet<string>): Promise<void> {
    if (jobIds.size === 0) return;
    const files = await this.files();
    this.forget(files.filter(({ jobId }) => jobIds.has(jobId)).map(({ photoId }) => photoId));
    const roots = await this.roots();
    this.queue((db) =>
      write(db, [ROOTS], (transaction) => {
        for (const { jobId, name } of roots)
          if (jobIds.has(jobId)) transaction.objectStore(ROOTS).delete([jobId, name]);
      }),
    );
  }

  /** Every file that is kept. */
  files(): Promise<KeptFile[]> {
    return this.read(FILES);
  }

  roots(): Promise<KeptRoot[]> {
    return this.read(ROOTS);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const photoIds = [...this.forgotten];
    this.forgotten.clear();
    if (photoIds.length === 0) return;
    this.queue((db) =>
      write(db, [FILES], (transaction) => {
        for (const photoId of photoIds) transaction.objectStore(FILES).delete(photoId);
      }),
    );
  }

  private async read<T>(store: string): Promise<T[]> {
    this.flush();
    let found: T[] = [];
    this.queue(async (db) => {
      found = (await result(db.transaction(store).objectStore(store).getAll())) as T[];
    });
    await this.turn;
    return found;
  }

  /** One after another; what cannot be kept must not stop an upload. */
  private queue(work: (db: IDBDatabase) => Promise<void>): void {
    const database = this.open();
    this.turn = this.turn.then(async () => {
      try {
        await work(await database);
      } catch (error) {
        if (!this.trouble) this.onTrouble(error instanceof Error ? error.message : String(error));
        this.trouble = true;
      }
    });
  }

  private open(): Promise<IDBDatabase> {
    const name = this.name();
    if (this.opened?.name !== name) {
      const db = open(name, VERSION, (fresh) => {
        fresh.createObjectStore(FILES, { keyPath: 'photoId' });
        fresh.createObjectStore(ROOTS, { keyPath: ['jobId', 'name'] });
      });
      db.catch(() => undefined); // told by whoever uses it
      this.opened = { name, db };
    }
    return this.opened.db;
  }
}
