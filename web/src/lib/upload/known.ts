import type { KnownPhoto } from '../../types/wire';
import type { UploadApi } from '../api/upload';
import type { ContentHash } from './contentHash';
import { Stopped } from './faults';
import { grouped } from './grouped';
import type { Probe } from './probe';
import { type Patience, persist } from './retry';
import type { SourceFile } from './source';

// Files that are looked into at once: reading two pieces is all waiting.
const AT_ONCE = 8;

export interface RecogniserPorts {
  api: Pick<UploadApi, 'known'>;
  probe: Probe;
  contentHash: ContentHash;
}

/** The content hashes of those of the files (at most 1,000) that the library has already. */
export type Recognise = (files: readonly SourceFile[], patience: Patience) => Promise<Map<SourceFile, string>>;

/**
 * What need not be sent, found out by reading little (docs/decisions/0017): the server is asked which names and sizes
 * it knows, and of those alone head and tail are read. Where the time agrees as well, that is enough; else the file is
 * hashed whole.
 */
export function recogniser({ api, probe, contentHash }: RecogniserPorts): Recognise {
  async function look({ file }: SourceFile, candidates: readonly KnownPhoto[]): Promise<string | null> {
    const probed = await probe(file);
    const alike = candidates.filter((candidate) => candidate.probe === probed);
    const unchanged = alike.find((candidate) => candidate.lastModified === String(file.lastModified));
    if (unchanged) return unchanged.contentHash;
    if (alike.length === 0) return null;
    const hash = await contentHash(file);
    return alike.some((candidate) => candidate.contentHash === hash) ? hash : null;
  }

  return async (files, patience) => {
    const asked = files.filter(({ file }) => file.size > 0);
    if (asked.length === 0) return new Map();
    const named = asked.map(({ file }) => ({ filename: file.name, bytes: file.size }));
    const { items } = await persist(() => api.known(named, patience.signal), patience);
    const candidates = grouped(items, ({ filename, bytes }) => keyOf(filename, bytes));
    const found = new Map<SourceFile, string>();
    const due = asked.values();
    const work = async () => {
      for (const source of due) {
        const those = candidates.get(keyOf(source.file.name.normalize('NFC'), source.file.size));
        if (!those) continue;
        patience.signal.throwIfAborted();
        const hash = await look(source, those).catch(ifGone);
        if (hash !== null) found.set(source, hash);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    return found;
  };
}

function keyOf(filename: string, bytes: number): string {
  return `${bytes} ${filename}`;
}

/** A file that cannot be read is declared all the same: that it cannot is told on its row. */
function ifGone(error: unknown): null {
  if (!(error instanceof Stopped)) throw error;
  return null;
}
