import type { Job, Snapshot } from '../../../types/wire';
import { ApiError } from '../../api/errors';
import type { UploadApi } from '../../api/upload';
import { PART_SIZE } from '../../s3/multipart';
import type { Checksum } from '../checksum';
import { hex32 } from '../crc32c';
import { fileIn } from '../declare';
import type { UploadEngine } from '../engine';
import { Stopped } from '../faults';
import { grouped } from '../grouped';
import type { Probe } from '../probe';
import { type Gathered, pathOf, type SourceFile } from '../source';
import { type Begun, match, type Matched } from './match';
import type { OtherTabs } from './others';
import type { KeptFile, KeptRoot, Records } from './records';
import { filesOfRoots, readable } from './roots';

// So long after its last sign of life a job that was begun elsewhere is taken to be left there.
const QUIET_MS = 10_000;

/** A photo that awaits bytes, and which this page does not send. */
export interface Waiting {
  photoId: string;
  jobId: string;
  bytes: number;
  bytesSent: number;
}

/** What may be gone on with. */
export interface Offer {
  /** Photos whose files this browser can open again by itself. */
  ready: string[];
  /** Photos whose files a person has to give again. */
  missing: string[];
  /** The folders that they came from, where that is known. */
  folders: string[];
}

export interface ResumptionPorts {
  api: Pick<UploadApi, 'activeJobs' | 'snapshot' | 'finalize' | 'cancelPhoto'>;
  engine: () => Pick<UploadEngine, 'add' | 'take' | 'sends'>;
  records: Pick<Records, 'files' | 'roots' | 'keepRoots' | 'forgetJobs'>;
  others: Pick<OtherTabs, 'held'>;
  probe: Probe;
  checksum: Checksum;
  /** What the page shows of jobs under way, without asking. */
  waiting: () => Iterable<Waiting>;
  onSnapshot: (snapshot: Snapshot) => void;
  /** So many of the files are stored or under way already. */
  onPassedOver: (count: number) => void;
  /** These are no longer what was begun under their paths, and are sent anew; `cancelled`: what was begun is given up. */
  onChanged: (files: SourceFile[], cancelled: boolean) => void;
}

/** Goes on with what was begun: before a reload or a crash, in another tab, by another browser. */
export class Resumption {
  private readonly declaredHere = new Set<string>();
  private moved = new Map<string, { total: number; since: number }>();

  constructor(private readonly ports: ResumptionPorts) {}

  /**
   * Send these files: those of unfinished uploads go on where they stopped, the others are declared. `roots` are the
   * handles that they were read from; `certain`, whether each path is the very file that it was when it was kept.
   */
  async add(files: readonly SourceFile[], roots: readonly FileSystemHandle[] = [], certain = false): Promise<void> {
    if (files.length === 0) return;
    const { engine, records, probe, onChanged, onPassedOver } = this.ports;
    const { jobs, begun } = await this.begun();
    const matched = await match(files, begun, probe);
    if (matched.passed.length > 0) onPassedOver(matched.passed.length);
    await this.goOn(matched, roots);
    if (matched.changed.length > 0) {
      if (certain) await this.cancel(matched.changed.flatMap(({ photos }) => photos));
      const changed = matched.changed.map(({ source }) => source);
      onChanged(changed, certain);
      matched.fresh.push(...changed);
    }
    await engine().add(matched.fresh, announcing(jobs, matched), (jobId) => {
      this.declaredHere.add(jobId);
      records.keepRoots(jobId, roots);
    });
  }

  /** What there is to go on with; null where there is nothing. To be asked again now and then. */
  async look(): Promise<Offer | null> {
    const { others, records, waiting } = this.ports;
    const rows = [...waiting()];
    const quiet = this.quiet(rows, performance.now());
    if (rows.length === 0) return null;
    const [held, files, roots] = await Promise.all([others.held(), records.files(), records.roots()]);
    const kept = new Map(files.map((file) => [file.photoId, file]));
    const offer: Offer = { ready: [], missing: [], folders: [] };
    const folders = new Set<string>();
    for (const { photoId, jobId, bytes, bytesSent } of rows) {
      const file = kept.get(photoId);
      // Begun elsewhere, it may be under way there; and what went whole and has arrived is sealed by the server itself.
      const mayMove = !file || (bytesSent >= bytes && bytes <= PART_SIZE);
      if (held.has(photoId) || (mayMove && !quiet.has(jobId))) continue;
      if (file && roots.some((root) => holds(root, file))) offer.ready.push(photoId);
      else {
        offer.missing.push(photoId);
        if (file?.path.includes('/')) folders.add(file.path.slice(0, file.path.indexOf('/')));
      }
    }
    offer.folders = [...folders];
    return offer.ready.length + offer.missing.length > 0 ? offer : null;
  }

  /**
   * Go on with these photos, from the handles that are kept; to be called on a click, for the browser may ask. Gives
   * the names of what it may not read, and the paths at which there is nothing any more.
   */
  async resume(
    photoIds: readonly string[],
    onFound: (count: number) => void,
  ): Promise<{ refused: string[]; gone: string[] }> {
    const { records } = this.ports;
    const wanted = new Set(photoIds);
    const [files, roots] = await Promise.all([records.files(), records.roots()]);
    const due = files.filter(({ photoId }) => wanted.has(photoId));
    const refused = new Set<string>();
    const gone: string[] = [];
    for (const [jobId, those] of grouped(due, (file) => file.jobId)) {
      const asked: FileSystemHandle[] = [];
      for (const root of roots.filter((one) => one.jobId === jobId && those.some((file) => holds(one, file)))) {
        if (await readable(root.handle)) asked.push(root.handle);
        else refused.add(root.name);
      }
      const gathered = await this.gather(jobId, those, asked, onFound);
      const found = new Set(gathered.files.map(pathOf));
      gone.push(...those.filter(({ path }) => !found.has(path) && !refused.has(first(path))).map(({ path }) => path));
      await this.add(gathered.files, asked, true);
    }
    return { refused: [...refused], gone };
  }

  /** Forget what ended meanwhile. */
  async tidy(): Promise<void> {
    const { records } = this.ports;
    // In this order: a job that begins now is in neither.
    const [files, roots] = await Promise.all([records.files(), records.roots()]);
    const jobIds = new Set([...files, ...roots].map(({ jobId }) => jobId));
    if (jobIds.size === 0) return;
    for (const { jobId } of await this.active()) jobIds.delete(jobId);
    await records.forgetJobs(jobIds);
  }

  /** Of a job whose declaration was interrupted every file is wanted, else those alone that are due. */
  private async gather(
    jobId: string,
    due: readonly KeptFile[],
    roots: readonly FileSystemHandle[],
    onFound: (count: number) => void,
  ): Promise<Gathered> {
    const { expectedCount, totalCount } = await this.ports.api.snapshot(jobId);
    const paths = new Set(due.map(({ path }) => path));
    return filesOfRoots(roots, (path) => (expectedCount ?? 0) > totalCount || paths.has(path), onFound);
  }

  /** The jobs of which nothing has moved for a while. */
  private quiet(rows: readonly Waiting[], now: number): ReadonlySet<string> {
    const before = this.moved;
    this.moved = new Map();
    const found = new Set<string>();
    for (const [jobId, those] of grouped(rows, (row) => row.jobId)) {
      const total = those.reduce((sum, { bytesSent }) => sum + bytesSent, those.length);
      const known = before.get(jobId);
      const since = known?.total === total ? known.since : now;
      this.moved.set(jobId, { total, since });
      if (now - since >= QUIET_MS) found.add(jobId);
    }
    return found;
  }

  private async goOn({ same }: Matched, roots: readonly FileSystemHandle[]): Promise<void> {
    const { engine, records } = this.ports;
    const take = (jobId: string, those: Matched['same']) => {
      const items = those.map(({ photo }) => ({ photoId: photo.photoId, method: 'PUT' as const }));
      const files = those.map(({ source }) => source);
      engine().take({ jobId, items, files, described: files.map(fileIn) });
    };
    for (const [jobId, those] of grouped(same, ({ photo }) => photo.jobId)) {
      const arrived = those.filter(({ photo }) => photo.bytesSent >= photo.size && photo.size <= PART_SIZE);
      records.keepRoots(jobId, roots);
      take(jobId, arrived.length > 0 ? those.filter((one) => !arrived.includes(one)) : those);
      for (const one of arrived) if (!(await this.sealed(one.photo.photoId, one.source.file))) take(jobId, [one]);
    }
  }

  /** Whether a file that goes whole had arrived already, and only its end was not told. */
  private async sealed(photoId: string, file: File): Promise<boolean> {
    const { api, checksum } = this.ports;
    try {
      await api.finalize(photoId, { checksum: `crc32c:${hex32(await checksum(file))}` });
      return true;
    } catch (error) {
      if (error instanceof ApiError || error instanceof Stopped) return false; // sending it says what is wrong
      throw error;
    }
  }

  private async cancel(photos: readonly Begun[]): Promise<void> {
    for (const { photoId } of photos) await this.ports.api.cancelPhoto(photoId);
  }

  /** The photos of all jobs that have not ended, but for those that failed or were cancelled. */
  private async begun(): Promise<{ jobs: Job[]; begun: Begun[] }> {
    const { api, engine, others, records, onSnapshot } = this.ports;
    const jobs = await this.active();
    if (jobs.length === 0) return { jobs, begun: [] };
    const [held, files] = await Promise.all([others.held(), records.files()]);
    const kept = new Map(files.map((file) => [file.photoId, file]));
    const begun: Begun[] = [];
    for (const { jobId } of jobs) {
      const snapshot = await api.snapshot(jobId);
      if (!this.declaredHere.has(jobId)) onSnapshot(snapshot);
      for (const { photoId, status, ...photo } of snapshot.photos) {
        if (status === 'FAILED' || status === 'CANCELLED') continue;
        const file = kept.get(photoId);
        begun.push({
          photoId,
          jobId,
          path: file?.path ?? photo.relativePath ?? photo.filename,
          size: photo.bytes,
          bytesSent: photo.bytesSent,
          rests: (status === 'QUEUED' || status === 'UPLOADING') && !held.has(photoId) && !engine().sends(photoId),
          lastModified: file?.lastModified ?? timeOf(photo.lastModified),
          probe: file?.probe ?? null,
        });
      }
    }
    return { jobs, begun };
  }

  private async active(): Promise<Job[]> {
    const found: Job[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.ports.api.activeJobs(cursor);
      found.push(...page.items);
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  }
}

/** The job that these files belong to where it still awaits some to be declared; else they become one of their own. */
function announcing(jobs: readonly Job[], { same }: Matched): { jobId: string; totalCount: number } | null {
  const jobIds = new Set(same.map(({ photo }) => photo.jobId));
  return jobs.find((job) => jobIds.has(job.jobId) && (job.expectedCount ?? 0) > job.totalCount) ?? null;
}

/** Whether a file was read from this root. */
function holds({ jobId, name }: KeptRoot, file: KeptFile): boolean {
  return jobId === file.jobId && name === first(file.path);
}

function first(path: string): string {
  const slash = path.indexOf('/');
  return slash < 0 ? path : path.slice(0, slash);
}

/** Unix milliseconds as this page declares them; null for what other clients write. */
function timeOf(declared: string | null | undefined): number | null {
  return declared && /^\d+$/.test(declared) ? Number(declared) : null;
}
