import { grouped } from '../grouped';
import type { Probe } from '../probe';
import { pathOf, type SourceFile } from '../source';

/** A photo of a job that has not ended, as its file was when it was declared. */
export interface Begun {
  photoId: string;
  jobId: string;
  path: string;
  size: number;
  /** How much of it the server has, as far as it knows. */
  bytesSent: number;
  /** Whether the server awaits its bytes, and nobody here sends them. */
  rests: boolean;
  /** Unix milliseconds; null where nobody knows. */
  lastModified: number | null;
  /** Of head and tail, where this browser noted it. */
  probe: string | null;
}

export interface Matched {
  /** To be sent on. */
  same: { source: SourceFile; photo: Begun }[];
  /** Stored, or under way. */
  passed: SourceFile[];
  /** Not what was begun under its path: to be declared anew. */
  changed: { source: SourceFile; photos: Begun[] }[];
  /** In no job that is under way. */
  fresh: SourceFile[];
}

/**
 * Which of these files belong to uploads that were begun: those whose path, size and time agree, and whose head
 * and tail do where they were noted. Where head and tail were noted and agree, the time may differ (a copied folder).
 */
export async function match(files: readonly SourceFile[], begun: readonly Begun[], probe: Probe): Promise<Matched> {
  const matched: Matched = { same: [], passed: [], changed: [], fresh: [] };
  if (begun.length === 0) return { ...matched, fresh: [...files] };
  const known = grouped(begun, ({ path }) => path.normalize());
  for (const source of files) {
    // The server keeps names in Unicode's form C; some file systems give them in form D.
    const candidates = known.get(pathOf(source).normalize());
    if (!candidates) {
      matched.fresh.push(source);
      continue;
    }
    const same: Begun[] = [];
    for (const photo of candidates) if (await agrees(source.file, photo, probe)) same.push(photo);
    const resting = candidates.filter(({ rests }) => rests);
    if (same.some(({ rests }) => !rests)) matched.passed.push(source);
    else if (same.length > 0) matched.same.push(...same.map((photo) => ({ source, photo })));
    else if (resting.length > 0) matched.changed.push({ source, photos: resting });
    else matched.fresh.push(source);
  }
  return matched;
}

async function agrees(file: File, photo: Begun, probe: Probe): Promise<boolean> {
  if (file.size !== photo.size) return false;
  if (photo.probe !== null) return photo.probe === (await probe(file));
  return photo.lastModified === null || photo.lastModified === file.lastModified;
}
