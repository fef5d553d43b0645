import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32c, hex32 } from '../src/lib/upload/crc32c';
import type { FileIn, FinalizeMultipartUploadRequest } from '../src/types/wire';

/** Parts are small here, so that many make a small file. */
export const PART = 64 * 1024;
const FIRST_URLS = 4;

interface Stored {
  file: FileIn;
  /** How often its upload has begun. */
  upload: number;
  parts: Map<number, Buffer>;
  etags: Map<number, string>;
  finalized: FinalizeMultipartUploadRequest | null;
  cancelled: boolean;
}

/** What a test may have gone wrong: an answer instead of the usual one (a status, a 429 with its wait, a code of S3). */
export type Fault = (request: {
  method: string;
  path: string;
  part: number;
}) => number | { retryAfter: number } | 'cut' | 'corrupt' | 'size-mismatch' | 'RequestTimeout' | 'NoSuchUpload' | null;

/** As much of the contract as an upload needs, over real HTTP on a free port, with faults on demand. */
export class ContractServer {
  readonly photos = new Map<string, Stored>();
  readonly puts: string[] = [];
  readonly signed: number[] = [];
  /** How many photos were finalized by each call that takes many. */
  readonly together: number[] = [];
  fault: Fault = () => null;
  /** Most PUTs that were being answered at one time. */
  mostAtOnce = 0;
  /** The store is S3: its ETags are MD5 sums, its refusals XML. */
  s3 = false;
  /** So many of the files declared next are refused from the start. */
  refused = 0;
  /** While set, PUTs are answered only when it resolves. */
  gate: Promise<void> | null = null;
  private atOnce = 0;
  private generation = 1;
  private server: Server | null = null;
  private port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Begin to listen, on the same port as before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.answer(request, response).catch(() => request.destroy());
    });
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** End like a killed process: every connection is cut. */
  async kill(): Promise<void> {
    const { server } = this;
    this.server = null;
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
  }

  /** From now on, URLs signed before are refused with 403. */
  expireUrls(): void {
    this.generation++;
  }

  /** The store forgets a photo's upload, with its parts: PUTs to it are refused, until somebody asks for the parts. */
  forget(photoId: string): void {
    const photo = this.photos.get(photoId);
    if (!photo) return;
    photo.parts.clear();
    photo.etags.clear();
    photo.upload++;
  }

  /** The bytes of a photo as stored. */
  bytesOf(photoId: string): Buffer {
    const parts = [...(this.photos.get(photoId)?.parts ?? [])].sort(([a], [b]) => a - b);
    return Buffer.concat(parts.map(([, bytes]) => bytes));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const path = url.pathname;
    const part = Number(url.searchParams.get('part') ?? 0);
    const wrong = this.fault({ method: request.method ?? '', path, part });
    if (wrong === 'cut') {
      request.destroy();
      return;
    }
    const bytes = await bodyOf(request);
    if (wrong === 'size-mismatch') {
      problem(response, 422, wrong, 'Nothing more came for 60 seconds.');
    } else if (typeof wrong === 'string' && wrong !== 'corrupt') {
      xml(response, 400, wrong);
    } else if (typeof wrong === 'number') {
      problem(response, wrong, `http-${wrong}`, `This is a ${wrong}.`);
    } else if (typeof wrong === 'object' && wrong !== null) {
      response.setHeader('retry-after', wrong.retryAfter);
      problem(response, 429, 'server-busy', 'The server is busy.');
    } else if (request.method === 'PUT') {
      await this.put(response, url, part, bytes, wrong === 'corrupt');
    } else {
      this.call(response, `${request.method ?? ''} ${path}`, bytes.length ? JSON.parse(bytes.toString()) : {});
    }
  }

  private async put(response: ServerResponse, url: URL, part: number, bytes: Buffer, corrupt: boolean): Promise<void> {
    const id = url.pathname.split('/')[2] ?? '';
    const photo = this.photos.get(id);
    if (!photo || url.searchParams.get('generation') !== String(this.generation)) {
      if (this.s3) xml(response, 403, 'AccessDenied');
      else problem(response, 403, 'signature-expired', 'This signed URL has expired.');
      return;
    }
    if (url.searchParams.get('upload') !== String(photo.upload)) {
      problem(response, 409, 'upload-gone', 'This upload has ended.');
      return;
    }
    this.atOnce++;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    await this.gate;
    this.atOnce--;
    const kept = Buffer.from(bytes);
    if (corrupt && kept.length) kept[0] = (kept[0] ?? 0) ^ 1;
    const etag = this.s3 ? createHash('md5').update(kept).digest('hex') : hex32(crc32c(kept));
    photo.parts.set(part, kept);
    photo.etags.set(part, etag);
    this.puts.push(`${id} ${part}`);
    response.writeHead(200, { etag: `"${etag}"` }).end();
  }

  private call(response: ServerResponse, call: string, body: unknown): void {
    const [, kind, id = '', what] = /^\w+ \/\w+\/([\w-]+)(?:\/(\w+))?(?:\/(\w+))?$/.exec(call) ?? [];
    const photo = this.photos.get(id);
    if (call.endsWith('/health/live')) json(response, 200, { status: 'ok' });
    else if (call === 'POST /commands/upload/finalize')
      this.finalizeAll(response, (body as { items: (FinalizeMultipartUploadRequest & { photoId: string })[] }).items);
    else if (kind === 'upload-jobs') this.declare(response, (body as { files: FileIn[] }).files);
    else if (!photo) problem(response, 404, 'not-found', 'There is nothing here under that name, or it is not yours.');
    else if (what === 'urls') this.sign(response, id, photo, body as { partNumbers?: number[] });
    else if (what === 'parts') json(response, 200, this.stored(id, photo));
    else if (what === 'finalize') this.finalize(response, id, photo, body as FinalizeMultipartUploadRequest);
    else if (what === 'cancel') {
      photo.cancelled = true;
      response.writeHead(204).end();
    } else problem(response, 404, 'not-found', `No ${call} here.`);
  }

  private declare(response: ServerResponse, files: FileIn[]): void {
    const items = files.map((file) => {
      const photoId = `ph_${this.photos.size + 1}`;
      const photo = { file, upload: 1, parts: new Map(), etags: new Map(), finalized: null, cancelled: false };
      this.photos.set(photoId, photo);
      if (this.refused-- > 0)
        return { photoId, method: 'PUT', errorCode: 'unsupported-type', errorMessage: 'No photo.' };
      if (file.bytes <= PART) return { photoId, method: 'PUT', presignedUrl: this.urlOf(photoId, 0), multipart: null };
      const partCount = Math.ceil(file.bytes / PART);
      const partUrls = this.partUrls(
        photoId,
        file,
        Array.from({ length: Math.min(FIRST_URLS, partCount) }, (_, n) => n + 1),
      );
      return {
        photoId,
        method: 'PUT',
        presignedUrl: null,
        multipart: { uploadId: `up_${photoId}_1`, partSize: PART, partCount, partUrls },
      };
    });
    json(response, 201, { jobId: 'job_1', items, expiresAt: '2099-01-01T00:00:00.000Z' });
  }

  private sign(response: ServerResponse, id: string, photo: Stored, { partNumbers }: { partNumbers?: number[] }): void {
    this.signed.push(partNumbers?.length ?? 1);
    if (photo.file.bytes <= PART) json(response, 200, { presignedUrl: this.urlOf(id, 0) });
    else json(response, 200, { partUrls: this.partUrls(id, photo.file, partNumbers ?? [1]) });
  }

  private partUrls(id: string, file: FileIn, numbers: number[]) {
    return numbers.map((partNumber) => ({
      partNumber,
      presignedUrl: this.urlOf(id, partNumber),
      size: Math.min(PART, file.bytes - (partNumber - 1) * PART),
    }));
  }

  private urlOf(id: string, part: number): string {
    return `${this.url}/storage/${id}?part=${part}&generation=${this.generation}&upload=${this.photos.get(id)?.upload ?? 0}`;
  }

  private stored(id: string, photo: Stored) {
    const parts = [...photo.parts].map(([partNumber, bytes]) => {
      return { partNumber, etag: photo.etags.get(partNumber) ?? '', size: bytes.length };
    });
    return {
      uploadId: `up_${id}_${photo.upload}`,
      partSize: PART,
      partCount: Math.ceil(photo.file.bytes / PART),
      parts,
    };
  }

  private finalize(response: ServerResponse, id: string, photo: Stored, body: FinalizeMultipartUploadRequest): void {
    const wrong = this.sealed(id, photo, body);
    if (wrong) problem(response, wrong.status, wrong.code, wrong.detail);
    else response.writeHead(204).end();
  }

  private finalizeAll(response: ServerResponse, those: (FinalizeMultipartUploadRequest & { photoId: string })[]): void {
    const items = those.map(({ photoId, ...body }) => {
      const photo = this.photos.get(photoId);
      const wrong = photo ? this.sealed(photoId, photo, body) : { status: 404, code: 'not-found', detail: 'Not here.' };
      return wrong ? { photoId, problem: wrong } : { photoId };
    });
    this.together.push(items.length);
    json(response, 200, { items });
  }

  private sealed(id: string, photo: Stored, body: FinalizeMultipartUploadRequest) {
    const count = photo.file.bytes <= PART ? 0 : Math.ceil(photo.file.bytes / PART);
    if (count > 0 && body.uploadId !== `up_${id}_${photo.upload}`)
      return { status: 409, code: 'upload-gone', detail: 'This upload id is not the photo’s present one.' };
    if (count > 0 && body.parts?.length !== count)
      return { status: 422, code: 'part-mismatch', detail: 'Parts are missing.' };
    photo.finalized = body;
    return null;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function xml(response: ServerResponse, status: number, code: string): void {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>This is ${code}.</Message></Error>`;
  response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
}

function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const headers = { 'content-type': 'application/problem+json' };
  response.writeHead(status, headers).end(JSON.stringify({ type: 'about:blank', title: code, status, detail, code }));
}
