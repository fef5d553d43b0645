import type { FileIn, Item } from '../../types/wire';
import { NetworkError } from '../api/errors';
import { mapInTurns } from './breathe';
import type { UploadApi } from '../api/upload';
import type { Recognise } from './known';
import { type Patience, persist } from './retry';
import type { SourceFile } from './source';

// Fewer than a call may take (1,000): its answer, and all that follows from it, is one task of the page.
const FILES_A_CALL = 250;

export interface Declared {
  jobId: string;
  /** One for each file of this call, in their order. */
  items: Item[];
  files: SourceFile[];
  /** What was declared of each: asking the file again may find that it has changed. */
  described: Described[];
}

export type Described = FileIn & { lastModified: number };

type DeclareApi = Pick<UploadApi, 'createJob' | 'addFiles' | 'snapshot'>;

/** A job that awaits more files, and how many it has. */
export interface Into {
  jobId: string;
  totalCount: number;
}

export interface Declaring {
  api: DeclareApi;
  patience: Patience;
  /** Gets each call's answer as soon as it is there. */
  onDeclared: (declared: Declared) => void;
  /** Finds what the library has already. */
  recognise?: Recognise | undefined;
}

/** Declare a job, or more files of one, some hundred a call. */
export async function declare(files: readonly SourceFile[], into: Into | null, declaring: Declaring): Promise<void> {
  let start = into ? 0 : FILES_A_CALL;
  const { jobId, totalCount } = into ?? { jobId: await create(files, declaring), totalCount: 0 };
  for (; start < files.length; start += FILES_A_CALL) {
    const chunk = files.slice(start, start + FILES_A_CALL);
    const described = await describe(chunk, declaring);
    const items = await addFiles(jobId, described, totalCount + start, declaring);
    declaring.onDeclared({ jobId, items, files: chunk, described });
  }
}

async function create(files: readonly SourceFile[], declaring: Declaring): Promise<string> {
  const { api, patience, onDeclared } = declaring;
  const first = files.slice(0, FILES_A_CALL);
  const key = randomKey();
  const described = await describe(first, declaring);
  const created = await persist(
    () =>
      api.createJob(
        { files: described, ...(files.length > first.length && { expectedCount: files.length }) },
        key,
        patience.signal,
      ),
    patience,
  );
  onDeclared({ jobId: created.jobId, items: created.items, files: first, described });
  return created.jobId;
}

/** A call whose answer was lost may have had its effect: before it is repeated, the job is looked at. */
async function addFiles(
  jobId: string,
  described: FileIn[],
  start: number,
  { api, patience }: Declaring,
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

async function describe(files: readonly SourceFile[], { recognise, patience }: Declaring): Promise<Described[]> {
  // Size and date of a file are asked of the system here, half a millisecond each.
  const described = await mapInTurns(files, fileIn);
  const known = await recognise?.(files, patience);
  return described.map((file, index) => {
    const contentHash = known?.get(files[index] as SourceFile);
    return contentHash === undefined ? file : { ...file, contentHash };
  });
}

/** A file as it is declared. */
export function fileIn({ file, relativePath }: SourceFile): Described {
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
