import type { FileIn, Item } from '../../types/wire';
import { NetworkError } from '../api/errors';
import { mapInTurns } from './breathe';
import { MAX_FILES, type UploadApi } from '../api/upload';
import { type Patience, persist } from './retry';
import type { SourceFile } from './source';

export interface Declared {
  jobId: string;
  /** One for each file of this call, in their order. */
  items: Item[];
  files: SourceFile[];
  /** What was declared of each: asking the file again may find that it has changed. */
  described: Described[];
}

type Described = FileIn & { lastModified: number };

type DeclareApi = Pick<UploadApi, 'createJob' | 'addFiles' | 'snapshot'>;

/** Declare a job, a thousand files a call; `onDeclared` gets each call's answer as soon as it is there. */
export async function declare(
  api: DeclareApi,
  files: readonly SourceFile[],
  patience: Patience,
  onDeclared: (declared: Declared) => void,
): Promise<void> {
  const first = files.slice(0, MAX_FILES);
  const key = randomKey();
  // Size and date of a file are asked of the system here, half a millisecond each.
  const described = await mapInTurns(first, fileIn);
  const created = await persist(
    () =>
      api.createJob(
        { files: described, ...(files.length > first.length && { expectedCount: files.length }) },
        key,
        patience.signal,
      ),
    patience,
  );
  const { jobId } = created;
  onDeclared({ jobId, items: created.items, files: first, described });
  for (let start = MAX_FILES; start < files.length; start += MAX_FILES) {
    const chunk = files.slice(start, start + MAX_FILES);
    const described = await mapInTurns(chunk, fileIn);
    const items = await addFiles(api, jobId, described, start, patience);
    onDeclared({ jobId, items, files: chunk, described });
  }
}

/** A call whose answer was lost may have had its effect: before it is repeated, the job is looked at. */
async function addFiles(
  api: DeclareApi,
  jobId: string,
  described: FileIn[],
  start: number,
  patience: Patience,
): Promise<Item[]> {
  let unsure = false;
  return persist(async () => {
    if (unsure) {
      const { photos } = await api.snapshot(jobId, patience.signal);
      const declared = photos.slice(start, start + described.length);
      if (declared.length === described.length) return declared.map(itemOf);
    }
    try {
      return (await api.addFiles(jobId, described, patience.signal)).items;
    } catch (error) {
      if (error instanceof NetworkError) unsure = true;
      throw error;
    }
  }, patience);
}

function fileIn({ file, relativePath }: SourceFile): Described {
  return {
    filename: file.name,
    // The contract's types are ASCII; whatever else a system makes up says nothing.
    mimeType: /^[ -~]{0,255}$/.test(file.type) ? file.type : '',
    bytes: file.size,
    lastModified: file.lastModified,
    ...(relativePath !== null && { relativePath }),
  };
}

function itemOf(photo: {
  photoId: string;
  duplicateOf?: string | null;
  errorCode?: string | null;
  errorMessage?: string | null;
}): Item {
  const { photoId, duplicateOf = null, errorCode = null, errorMessage = null } = photo;
  return { photoId, method: 'PUT', duplicateOf, errorCode, errorMessage };
}

/** 128 random bits as hex. `crypto.randomUUID` exists only on HTTPS. */
export function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
