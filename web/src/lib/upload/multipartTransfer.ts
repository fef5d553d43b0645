import { ApiError } from '../api/errors';
import { type Slice, slicesOf } from '../s3/multipart';
import type { PartUrl } from '../../types/wire';
import { combineCrc32c, hex32 } from './crc32c';
import { freshUntil } from './freshness';
import { differs, type Line, type Target } from './line';
import { ensureUnchanged } from './original';
import type { Plan } from './plan';

// Signed just before they are needed, so that none expires unused.
const URLS_AT_ONCE = 16;
const MOST_FINALIZES = 3;
// The store forgets an upload that rested for days, by a rule of its bucket: hardly twice.
const MOST_BEGINNINGS = 3;

interface Part extends Slice {
  crc: number | null;
  /** Set once the store has the part. */
  etag: string | null;
  loaded: number;
}

/** One file in parts, all at once as far as the scheduler lets them; only what the store does not have is sent. */
export class MultipartTransfer {
  private uploadId = '';
  private parts: Part[] = [];
  private readonly urls = new Map<number, Target & { until: number }>();
  private readonly signing = new Map<number, Promise<void>>();
  private syncing: Promise<void> | null = null;
  private sent = 0;

  constructor(
    private readonly photoId: string,
    private readonly plan: Plan | null,
    private readonly line: Line,
  ) {}

  /** Resolves once the server has the whole file. */
  async run(): Promise<void> {
    const multipart = this.plan?.item.multipart;
    if (this.plan && multipart) {
      this.begin(multipart.uploadId, multipart.partSize);
      this.keep(multipart.partUrls, this.plan.at);
    } else {
      await this.sync();
    }
    for (let finalizes = 0, beginnings = 0; ;) {
      try {
        await this.sendMissing();
        this.line.report.phase('finishing');
        await this.finalize();
        return;
      } catch (error) {
        if (isCode(error, 'part-mismatch') && ++finalizes < MOST_FINALIZES) {
          for (const part of this.parts) part.etag = null;
          await this.sync();
        } else if (isCode(error, 'upload-gone') && ++beginnings < MOST_BEGINNINGS) {
          // Where only the store has forgotten it, the server begins another one as soon as it is asked for the parts.
          const gone = this.uploadId;
          await this.sync();
          if (this.uploadId === gone) throw error;
        } else {
          throw error;
        }
      }
    }
  }

  private begin(uploadId: string, partSize: number): void {
    this.uploadId = uploadId;
    this.urls.clear();
    this.signing.clear();
    this.parts = slicesOf(this.line.original.size, partSize).map((slice) => ({
      ...slice,
      crc: null,
      etag: null,
      loaded: 0,
    }));
    this.sent = 0;
  }

  /** Ask what the store has. Those who ask meanwhile share the answer. */
  private sync(): Promise<void> {
    this.syncing ??= this.askForParts().finally(() => {
      this.syncing = null;
    });
    return this.syncing;
  }

  private async askForParts(): Promise<void> {
    const { line } = this;
    const stored = await line.ask(() => line.ports.api.storedParts(this.photoId, line.signal));
    if (stored.uploadId !== this.uploadId) this.begin(stored.uploadId, stored.partSize);
    for (const { partNumber, etag, size } of stored.parts) {
      const part = this.parts[partNumber - 1];
      if (part?.etag !== null || size !== part.end - part.start) continue;
      part.etag = etag.replaceAll('"', '');
      this.sent += size - part.loaded;
      part.loaded = size;
    }
    line.report.bytes(this.sent, true);
  }

  private async sendMissing(): Promise<void> {
    const failed = new AbortController();
    const stop = () => {
      failed.abort(this.line.signal.reason);
    };
    this.line.signal.addEventListener('abort', stop, { once: true });
    const line = this.line.until(failed.signal);
    try {
      await Promise.all(this.parts.map((part) => this.complete(part, line)));
    } catch (error) {
      failed.abort();
      this.line.signal.throwIfAborted();
      throw error;
    } finally {
      this.line.signal.removeEventListener('abort', stop);
    }
  }

  /** Leave `part` stored, with its CRC32C known and equal to the store's where that tells one. */
  private async complete(part: Part, line: Line): Promise<void> {
    if (part.etag !== null) {
      await ensureUnchanged(line.original);
      part.crc ??= await line.ports.checksum(this.bytesOf(part));
      if (!differs(part.etag, part.crc)) return;
      part.etag = null;
      this.note(part, 0);
    }
    const { etag, crc } = await line.send(
      this.bytesOf(part),
      (renew) => this.urlOf(part, renew),
      (loaded) => {
        if (part.etag === null) this.note(part, loaded);
      },
      async () => {
        await this.sync();
        return part.etag;
      },
    );
    part.crc = crc;
    part.etag = etag;
    this.note(part, part.end - part.start);
  }

  private bytesOf(part: Part): Blob {
    return this.line.original.file.slice(part.start, part.end);
  }

  private note(part: Part, loaded: number): void {
    this.sent += loaded - part.loaded;
    part.loaded = loaded;
    this.line.report.bytes(this.sent);
  }

  private async urlOf({ partNumber }: Part, renew: boolean): Promise<Target> {
    if (renew) this.urls.clear(); // signed together, expired together
    for (;;) {
      const url = this.urls.get(partNumber);
      if (url && Date.now() < url.until) return url;
      this.urls.delete(partNumber);
      await (this.signing.get(partNumber) ?? this.sign(partNumber));
    }
  }

  /** URLs for `first` and the parts next to be sent. */
  private sign(first: number): Promise<void> {
    const { line } = this;
    const due = this.parts
      .slice(first - 1)
      .filter((part) => part.etag === null && !this.urls.has(part.partNumber) && !this.signing.has(part.partNumber))
      .slice(0, URLS_AT_ONCE)
      .map((part) => part.partNumber);
    const wanted = due.includes(first) ? due : [first];
    const { uploadId } = this;
    const signed = line.ports.api
      .urls(this.photoId, wanted, line.signal)
      .then(({ partUrls }) => {
        if (this.uploadId === uploadId) this.keep(partUrls ?? [], Date.now());
      })
      .finally(() => {
        for (const number of wanted) if (this.signing.get(number) === signed) this.signing.delete(number);
      });
    for (const number of wanted) this.signing.set(number, signed);
    return signed;
  }

  private keep(urls: readonly PartUrl[], at: number): void {
    for (const { partNumber, presignedUrl, headers } of urls)
      this.urls.set(partNumber, { url: presignedUrl, headers, until: freshUntil(presignedUrl, at) });
  }

  private async finalize(): Promise<void> {
    const { line, uploadId } = this;
    const parts = this.parts.map(({ partNumber, etag }) => ({ partNumber, etag: etag ?? '' }));
    const whole = this.parts.reduce((crc, part) => combineCrc32c(crc, part.crc ?? 0, part.end - part.start), 0);
    const checksum = `crc32c:${hex32(whole)}`;
    await line.seal(this.photoId, { uploadId, parts, checksum });
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof ApiError && error.code === code;
}
