import { grouped } from '../grouped';
import type { Probe } from '../probe';
import { pathOf, type SourceFile } from '../source';

/** A photo whose bytes the server awaits, as its file was when it was declared. */
export interface Unfinished {
  photoId: string;
  jobId: string;
  path: string;
  size: number;
  /** How much of it the server has, as far as it knows. */
  bytesSent: number;
  /** Unix milliseconds; null where nobody knows. */
  lastModified: number | null;
  /** Of head and tail, where this browser noted it. */
  probe: string | null;
}

export interface Matched {
  /** To be sent on. */
  same: { source: SourceFile; photo: Unfinished }[];
  /** Not what was begun under its path: to be declared anew. */
  changed: { source: SourceFile; photos: Unfinished[] }[];
  /** In no unfinished job. */
  fresh: SourceFile[];
}

/**
 * Which of these files are the rest of uploads that were begun: those whose path, size and time agree, and whose head
 * and tail do where they were noted. Where head and tail were noted and agree, the time may differ (a copied folder).
 */
export async function match(
  files: readonly SourceFile[],
  unfinished: readonly Unfinished[],
  probe: Probe,
): Promise<Matched> {
  const matched: Matched = { same: [], changed: [], fresh: [] };
  if (unfinished.length === 0) return { ...matched, fresh: [...files] };
  const awaited = grouped(unfinished, ({ path }) => path.normalize());
  for (const source of files) {
    // The server keeps names in Unicode's form C; some file systems give them in form D.
    const candidates = awaited.get(pathOf(source).normalize());
    if (!candidates) {
      matched.fresh.push(source);
      continue;
    }
    const same: Unfinished[] = [];
    for (const photo of candidates) if (await agrees(source.file, photo, probe)) same.push(photo);
    for (const photo of same) matched.same.push({ source, photo });
    if (same.length === 0) matched.changed.push({ source, photos: candidates });
  }
  return matched;
}

async function agrees(file: File, photo: Unfinished, probe: Probe): Promise<boolean> {
  if (file.size !== photo.size) return false;
  if (photo.probe !== null) return photo.probe === (await probe(file));
  return photo.lastModified === null || photo.lastModified === file.lastModified;
}
