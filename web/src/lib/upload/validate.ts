import { mapInTurns } from './breathe';
import type { SourceFile } from './source';

/**
 * Why a chosen file is not sent. Only the page can know of these; what the server refuses by name, type or size it
 * refuses before a byte is sent, and gives it a row with the reason (docs/decisions/0003).
 */
export type Reason = 'unreadable' | 'duplicate' | 'system';

export interface LeftOut {
  path: string;
  reason: Reason;
}

export interface Validated {
  sound: SourceFile[];
  leftOut: LeftOut[];
}

// What systems put beside photos: macOS' folder view and forks, Windows' thumbnails and folder view.
const OF_THE_SYSTEM = /^(\.DS_Store|\.localized|\._.*|Thumbs\.db|ehthumbs\.db|desktop\.ini)$/i;

// Photos of the same name, size and time that begin and end alike are one photo.
const PROBE = 64 * 1024;

/** Which of these files are to be sent, and why the others are not. What merely looks like a duplicate is read first. */
export async function validate(files: readonly SourceFile[]): Promise<Validated> {
  const validated: Validated = { sound: [], leftOut: [] };
  const alike = new Map<string, SourceFile[]>();
  const kinds = await mapInTurns(files, (source) => {
    const { name, size, lastModified } = source.file;
    return { source, system: OF_THE_SYSTEM.test(name), likeness: `${size} ${lastModified} ${name}` };
  });
  for (const { source, system, likeness } of kinds) {
    const path = source.relativePath ?? source.file.name;
    if (system) {
      validated.leftOut.push({ path, reason: 'system' });
      continue;
    }
    const others = alike.get(likeness) ?? [];
    if (await isAmong(source.file, others)) {
      validated.leftOut.push({ path, reason: 'duplicate' });
    } else {
      alike.set(likeness, [...others, source]);
      validated.sound.push(source);
    }
  }
  return validated;
}

async function isAmong(file: File, others: readonly SourceFile[]): Promise<boolean> {
  for (const other of others) if (await sameContent(file, other.file)) return true;
  return false;
}

/** Whether two files of one size begin and end alike. One that cannot be read is like no other: sending it will say so. */
async function sameContent(one: File, other: File): Promise<boolean> {
  const [mine, theirs] = await Promise.all([probe(one), probe(other)]);
  if (!mine || !theirs) return false;
  return mine.every((byte, index) => byte === theirs[index]);
}

async function probe(file: File): Promise<Uint8Array | null> {
  try {
    const ends = new Blob([file.slice(0, PROBE), file.slice(Math.max(PROBE, file.size - PROBE))]);
    return new Uint8Array(await ends.arrayBuffer());
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
