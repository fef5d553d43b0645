import { PART_SIZE } from '../../s3/multipart';
import type { Declared } from '../declare';
import { Stopped } from '../faults';
import type { Probe } from '../probe';
import { pathOf } from '../source';
import type { KeptFile, Records } from './records';

/** Keep what a resume needs of files that were declared, or gone on with. */
export async function keepDeclared(
  { jobId, items, files, described }: Declared,
  records: Pick<Records, 'keep' | 'note'>,
  probe: Probe,
): Promise<void> {
  const kept: KeptFile[] = [];
  const inParts: { photoId: string; file: File }[] = [];
  items.forEach(({ photoId, errorCode, duplicateOf }, index) => {
    const source = files[index];
    const declared = described[index];
    if (!source || !declared || errorCode || duplicateOf) return;
    const { bytes: size, lastModified } = declared;
    kept.push({ photoId, jobId, path: pathOf(source), size, lastModified });
    if (size > PART_SIZE) inParts.push({ photoId, file: source.file });
  });
  records.keep(kept);
  // Of a file that goes whole nothing can be mixed with another; of one in parts, head and tail tell it from another.
  for (const { photoId, file } of inParts) {
    const probed = await probe(file).catch(ifGone);
    if (probed !== null) records.note(photoId, probed);
  }
}

/** That a file cannot be read is told where it is sent. */
function ifGone(error: unknown): null {
  if (!(error instanceof Stopped)) throw error;
  return null;
}
