import { setMaxListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiClient, serverAnswers } from '../src/lib/api/client';
import { ApiError, NetworkError } from '../src/lib/api/errors';
import { UploadApi } from '../src/lib/api/upload';
import type { Put } from '../src/lib/s3/multipart';
import { refusalOf } from '../src/lib/s3/refusal';
import { checksumHere } from '../src/lib/upload/checksum';
import { Connectivity } from '../src/lib/upload/connectivity';
import { crc32c, hex32 } from '../src/lib/upload/crc32c';
import { type Phase, UploadEngine } from '../src/lib/upload/engine';
import { Scheduler } from '../src/lib/upload/scheduler';
import { ContractServer, PART } from './contractServer';

// A hundred requests may wait for one signal.
setMaxListeners(0);

// Node has no XMLHttpRequest; the bytes go the same way.
const putOverFetch: Put = async (url, body, { signal, onProgress }) => {
  let response: Response;
  try {
    response = await fetch(url, { method: 'PUT', body: await body.arrayBuffer(), signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new NetworkError('cut off', { cause: error });
  }
  const text = await response.text();
  if (!response.ok) throw refusalOf(response.status, text, null);
  onProgress(body.size);
  return (response.headers.get('etag') ?? '').replaceAll('"', '');
};

function answerOf({ status }: Response): number {
  if (status >= 400) throw new ApiError(status, `http-${status}`, 'no');
  return status;
}

function photo(name: string, size: number): File {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 64) bytes[i] = (i / 64 + name.length) % 251;
  return new File([bytes], name, { type: 'image/jpeg' });
}

const server = new ContractServer();
let engine: UploadEngine;
let phases: Map<string, (Phase | null)[]>;
let sent: Map<string, number>;
let failures: Map<string, string>;
let waiters: (() => void)[];
let busy: number[];
let targets: string[];

/** Resolves when `met` is true after some report of the engine. */
function until(met: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (met()) resolve();
      else waiters.push(look);
    };
    look();
  });
}

const wake = () => {
  const all = waiters;
  waiters = [];
  for (const look of all) look();
};

const done = (photoId: string) => until(() => phases.get(photoId)?.at(-1) === null);

function engineWith(limit: number): UploadEngine {
  const auth = { freshToken: () => Promise.resolve('token'), renew: () => Promise.reject(new Error('not asked for')) };
  return new UploadEngine({
    api: new UploadApi(new ApiClient(auth, server.url)),
    put: putOverFetch,
    checksum: checksumHere,
    scheduler: new Scheduler(limit),
    connectivity: new Connectivity(() => serverAnswers(server.url)),
    signedIn: () => Promise.reject(new Error('not asked for')),
    onBusy: (ms) => {
      busy.push(ms);
    },
    onTarget: (url) => targets.push(url),
    report: {
      declared: () => undefined,
      phase: (photoId, phase, failure) => {
        phases.set(photoId, [...(phases.get(photoId) ?? []), phase]);
        if (failure) failures.set(photoId, failure.message);
        wake();
      },
      bytes: (photoId, bytes) => {
        sent.set(photoId, bytes);
        wake();
      },
      speed: () => undefined,
      totalSpeed: () => undefined,
      retried: () => undefined,
    },
  });
}

const add = (...files: File[]) => engine.add(files.map((file) => ({ file, relativePath: null })));

async function expectStored(photoId: string, file: File): Promise<void> {
  const bytes = Buffer.from(await file.arrayBuffer());
  expect(server.bytesOf(photoId).equals(bytes)).toBe(true);
  expect(server.photos.get(photoId)?.finalized?.checksum).toBe(`crc32c:${hex32(crc32c(bytes))}`);
}

beforeEach(async () => {
  server.photos.clear();
  server.puts.length = server.signed.length = server.mostAtOnce = 0;
  server.fault = () => null;
  server.gate = null;
  server.s3 = false;
  server.refused = 0;
  targets = [];
  phases = new Map();
  sent = new Map();
  failures = new Map();
  waiters = [];
  busy = [];
  await server.start();
  engine = engineWith(100);
});

afterEach(async () => {
  engine.close();
  await server.kill();
});

describe('UploadEngine', () => {
  it('sends small files whole and large ones in parts, each with its checksum', async () => {
    const files = [photo('small.jpg', 1_000), photo('edge.jpg', PART), photo('large.jpg', 3 * PART + 5)];
    await add(...files);
    await Promise.all(['ph_1', 'ph_2', 'ph_3'].map(done));
    for (const [index, file] of files.entries()) await expectStored(`ph_${index + 1}`, file);
    expect(server.photos.get('ph_3')?.finalized?.parts?.map(({ partNumber }) => partNumber)).toEqual([1, 2, 3, 4]);
    expect(server.puts.filter((put) => put.startsWith('ph_3'))).toHaveLength(4);
    expect(sent.get('ph_3')).toBe(3 * PART + 5);
  });

  it('keeps all requests of all files within one limit', async () => {
    engine.close();
    engine = engineWith(3);
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add(photo('a.jpg', 4 * PART), ...Array.from({ length: 6 }, (_, n) => photo(`${n}.jpg`, 100)));
    await until(() => [...phases.values()].flat().filter((phase) => phase === 'sending').length >= 3);
    open();
    await Promise.all(Array.from({ length: 7 }, (_, n) => done(`ph_${n + 1}`)));
    expect(server.mostAtOnce).toBeLessThanOrEqual(3);
    expect(server.puts).toHaveLength(10);
  });

  it('asks for more part URLs in small batches, as they are needed', async () => {
    engine.close();
    engine = engineWith(2);
    const file = photo('many.jpg', 30 * PART);
    await add(file);
    await done('ph_1');
    await expectStored('ph_1', file);
    expect(Math.max(...server.signed)).toBeLessThanOrEqual(16);
    expect(server.signed.reduce((a, b) => a + b)).toBe(26);
  });

  it('renews URLs that are refused', async () => {
    const file = photo('late.jpg', 2 * PART + 1);
    server.fault = ({ method }) => {
      if (method === 'PUT' && server.signed.length === 0) server.expireUrls();
      return null;
    };
    await add(photo('late-small.jpg', 10), file);
    await Promise.all(['ph_1', 'ph_2'].map(done));
    await expectStored('ph_2', file);
    expect(server.signed.length).toBeGreaterThan(0);
  });

  it('sends again what broke off, was refused for now, or arrived corrupted', async () => {
    const file = photo('unlucky.jpg', 4 * PART);
    const wrong = new Map<number, (number | 'cut' | 'corrupt')[]>([
      [1, ['cut']],
      [2, [500, 429]],
      [3, ['corrupt', 'corrupt']],
    ]);
    server.fault = ({ method, part }) => (method === 'PUT' ? (wrong.get(part)?.shift() ?? null) : null);
    await add(file);
    await done('ph_1');
    await expectStored('ph_1', file);
  });

  it('says in words what it gave up on', async () => {
    server.fault = ({ method }) => (method === 'PUT' ? 'corrupt' : null);
    await add(photo('bad-cable.jpg', 100));
    await until(() => failures.has('ph_1'));
    expect(failures.get('ph_1')).toContain('differ from the file');
    expect(phases.get('ph_1')?.at(-1)).toBe('failed');
    expect(server.photos.get('ph_1')?.finalized).toBeNull();

    server.fault = () => null;
    engine.resume(['ph_1']);
    await done('ph_1');
    expect(server.photos.get('ph_1')?.finalized).not.toBeNull();
  });

  it('goes on by itself after the server was killed, with only what is missing', async () => {
    const file = photo('long.jpg', 8 * PART);
    engine.close();
    engine = engineWith(2);
    await add(file);
    await until(() => server.puts.length >= 3);
    await server.kill();
    const before = server.photos.get('ph_1')?.parts.size ?? 0;
    server.puts.length = 0;
    await until(() => phases.get('ph_1')?.at(-1) === 'unreachable');
    await server.start();
    await done('ph_1');
    await expectStored('ph_1', file);
    expect(server.puts).toHaveLength(8 - before);
  });

  it('begins anew within the same photo where the store has forgotten the upload', async () => {
    engine.close();
    engine = engineWith(2);
    const file = photo('rested.jpg', 6 * PART);
    await add(file);
    await until(() => server.puts.length >= 3);
    server.forget('ph_1');
    await done('ph_1');
    await expectStored('ph_1', file);
    expect(server.photos.size).toBe(1);
  });

  it('begins anew where the upload is forgotten just before it is finalized', async () => {
    const file = photo('late.jpg', 2 * PART);
    let forgotten = false;
    server.fault = ({ path }) => {
      if (path.endsWith('/finalize') && !forgotten) {
        forgotten = true;
        server.forget('ph_1');
      }
      return null;
    };
    await add(file);
    await done('ph_1');
    await expectStored('ph_1', file);
    expect(server.puts).toHaveLength(4);
  });

  it('gives an upload up that is forgotten again and again', async () => {
    server.fault = ({ path }) => {
      if (path.endsWith('/finalize')) server.forget('ph_1');
      return null;
    };
    await add(photo('forgetful.jpg', 2 * PART));
    await until(() => failures.has('ph_1'));
    expect(failures.get('ph_1')).toContain('not the photo’s present one');
  });

  it('waits as long as a busy server says, before it declares and before it signs, and others go on', async () => {
    engine.close();
    engine = engineWith(2);
    const refused = new Map<string, number>();
    const busyOnce = new Set(['/commands/upload-jobs', '/commands/upload/ph_1/urls']);
    server.fault = ({ path }) => {
      if (!busyOnce.delete(path)) return null;
      refused.set(path, Date.now());
      return { retryAfter: 1 };
    };
    // After its first four parts the large one asks for more URLs; the small one has its own.
    await add(photo('large.jpg', 6 * PART), photo('small.jpg', 10));
    expect(Date.now() - (refused.get('/commands/upload-jobs') ?? 0)).toBeGreaterThanOrEqual(1_000);
    await until(() => phases.get('ph_1')?.at(-1) === 'busy');
    await done('ph_2');
    expect(phases.get('ph_1')?.at(-1)).not.toBeNull();
    await done('ph_1');
    expect(Date.now() - (refused.get('/commands/upload/ph_1/urls') ?? 0)).toBeGreaterThanOrEqual(1_000);
    expect(busy.length).toBeGreaterThanOrEqual(2);
    for (const ms of busy) expect(ms).toBeGreaterThanOrEqual(1_000);
  });

  it('pauses at once and resumes with only what is missing', async () => {
    engine.close();
    engine = engineWith(1);
    const file = photo('break.jpg', 5 * PART);
    await add(file);
    await until(() => server.puts.length >= 2);
    engine.pause();
    expect(phases.get('ph_1')?.at(-1)).toBe('paused');
    expect(engine.busy).toBe(false);
    engine.resume(['ph_1']);
    await done('ph_1');
    await expectStored('ph_1', file);
    // At most the part that was under way has gone twice.
    expect(server.puts.length).toBeLessThanOrEqual(6);
  });

  it('cancels on the server, and stops sending', async () => {
    server.gate = new Promise(() => undefined);
    await add(photo('no.jpg', 100));
    await until(() => phases.get('ph_1')?.includes('sending') ?? false);
    await engine.cancel(['ph_1']);
    expect(server.photos.get('ph_1')?.cancelled).toBe(true);
    expect(engine.busy).toBe(false);
  });

  it('stops what was cancelled elsewhere', async () => {
    server.gate = new Promise(() => undefined);
    await add(photo('elsewhere.jpg', 100));
    await until(() => phases.get('ph_1')?.includes('sending') ?? false);
    engine.told('ph_1', 'CANCELLED', 1);
    expect(phases.get('ph_1')?.at(-1)).toBeNull();
    expect(engine.busy).toBe(false);
  });

  it('sends to S3, whose ETags are no checksum that it knows, and has the server compare', async () => {
    server.s3 = true;
    const file = photo('far.jpg', 6 * PART);
    // What arrives otherwise than it left is not seen here: the checksum of what left goes with finalize.
    server.fault = ({ method, part }) => (method === 'PUT' && part === 2 ? 'corrupt' : null);
    await add(photo('small.jpg', 100), file);
    await Promise.all(['ph_1', 'ph_2'].map(done));
    const etags = [...(server.photos.get('ph_2')?.etags ?? [])].sort(([a], [b]) => a - b).map(([, etag]) => etag);
    const finalized = server.photos.get('ph_2')?.finalized;
    expect(finalized?.parts?.map(({ etag }) => etag)).toEqual(etags);
    expect(finalized?.checksum).toBe(`crc32c:${hex32(crc32c(Buffer.from(await file.arrayBuffer())))}`);
    expect(server.puts).toHaveLength(7);
  });

  it('resumes at S3 with only what is missing, and renews URLs that it refuses', async () => {
    server.s3 = true;
    engine.close();
    engine = engineWith(1);
    const file = photo('far.jpg', 5 * PART);
    await add(file);
    await until(() => server.puts.length >= 2);
    engine.pause();
    server.expireUrls();
    engine.resume(['ph_1']);
    await done('ph_1');
    await expectStored('ph_1', file);
    expect(server.puts.length).toBeLessThanOrEqual(6);
  });

  it('repeats what S3 found too slow, and says in words that an upload has ended there', async () => {
    server.s3 = true;
    const slow: 'RequestTimeout'[] = ['RequestTimeout', 'RequestTimeout'];
    server.fault = ({ method }) => (method === 'PUT' ? (slow.shift() ?? null) : null);
    await add(photo('slow.jpg', 100));
    await done('ph_1');
    server.fault = ({ method }) => (method === 'PUT' ? 'NoSuchUpload' : null);
    await add(photo('gone.jpg', 2 * PART));
    await until(() => failures.has('ph_2'));
    expect(failures.get('ph_2')).toContain('This upload has ended');
  });

  it('sends again what the store gave up because the connection slept', async () => {
    const slept: 'size-mismatch'[] = ['size-mismatch', 'size-mismatch'];
    server.fault = ({ method, part }) => (method === 'PUT' && part === 2 ? (slept.shift() ?? null) : null);
    const file = photo('asleep.jpg', 3 * PART);
    await add(file);
    await done('ph_1');
    expect(slept).toEqual([]);
    await expectStored('ph_1', file);
  });

  it('tells where bytes go by the first file that is to be sent, be it not the first of all', async () => {
    server.refused = 1;
    await add(photo('refused.txt', 10), photo('fine.jpg', 10), photo('fine too.jpg', 10));
    await Promise.all(['ph_2', 'ph_3'].map(done));
    expect(targets).toEqual([expect.stringContaining('/storage/ph_2')]);
  });

  it('sends first what a person moved to the front', async () => {
    engine.close();
    engine = engineWith(1);
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add(photo('large.jpg', 6 * PART), ...Array.from({ length: 8 }, (_, n) => photo(`${n}.jpg`, 100)));
    await until(() => phases.get('ph_1')?.includes('sending') ?? false);
    engine.front(['ph_9', 'ph_8']);
    open();
    await Promise.all(Array.from({ length: 9 }, (_, n) => done(`ph_${n + 1}`)));
    // Not even the rest of the large file goes before them.
    expect(server.puts.slice(0, 3)).toEqual(['ph_1 1', 'ph_9 0', 'ph_8 0']);
  });

  it('sends small files beside a large one, and the parts of that side by side when it is alone', async () => {
    engine.close();
    engine = engineWith(3);
    await add(photo('large.jpg', 24 * PART), ...Array.from({ length: 12 }, (_, n) => photo(`${n}.jpg`, 100)));
    await Promise.all(Array.from({ length: 13 }, (_, n) => done(`ph_${n + 1}`)));
    const lastSmall = server.puts.findLastIndex((put) => !put.startsWith('ph_1 '));
    const before = server.puts.slice(0, lastSmall).filter((put) => put.startsWith('ph_1 ')).length;
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(20);
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add(photo('alone.jpg', 5 * PART));
    await vi.waitFor(() => {
      expect(server.mostAtOnce).toBe(3);
    });
    open();
    await done('ph_14');
  });

  it('sends nothing of a file that changed while it waited, and says so', async () => {
    engine.close();
    engine = engineWith(1);
    const [edited, emptied] = [photo('edited.jpg', 3 * PART), photo('emptied.jpg', 100)];
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add(photo('first.jpg', 100));
    await add(edited, emptied);
    await until(() => phases.get('ph_1')?.includes('sending') ?? false);
    Object.defineProperty(edited, 'lastModified', { value: edited.lastModified + 1_000 });
    Object.defineProperty(emptied, 'size', { value: 0 });
    engine.pause(['ph_1']);
    await until(() => failures.size === 2);
    expect(failures.get('ph_2')).toContain('was changed on the disk');
    expect(failures.get('ph_3')).toContain('was changed on the disk');
    expect(server.photos.get('ph_2')?.parts.size).toBe(0);
    expect(server.photos.get('ph_3')?.parts.size).toBe(0);
    open();
  });

  it('makes no photo of two files: it stops where one changes between its parts', async () => {
    engine.close();
    engine = engineWith(1);
    const file = photo('edited.jpg', 6 * PART);
    await add(file);
    await until(() => server.puts.length >= 2);
    Object.defineProperty(file, 'lastModified', { value: file.lastModified + 1_000 });
    await until(() => failures.has('ph_1'));
    expect(server.puts.length).toBeLessThan(6);
    expect(server.photos.get('ph_1')?.finalized).toBeNull();
  });

  it('asks until the server has answered', async () => {
    await add(photo('a.jpg', 10));
    await done('ph_1');
    const wrong = [503, 500];
    server.fault = () => wrong.shift() ?? null;
    expect(await engine.ask(() => fetch(`${server.url}/health/live`).then(answerOf))).toBe(200);
    expect(wrong).toEqual([]);
  });

  it('wastes no attempt while the server is away', async () => {
    engine.close();
    engine = engineWith(4);
    let attempts = 0;
    let away = false;
    server.fault = ({ method }) => {
      if (method === 'PUT' && away) attempts++;
      return away ? 'cut' : null;
    };
    let open: () => void = () => undefined;
    server.gate = new Promise((resolve) => {
      open = resolve;
    });
    await add(...Array.from({ length: 40 }, (_, n) => photo(`${n}.jpg`, 100)));
    await vi.waitFor(() => {
      expect(server.mostAtOnce).toBe(4);
    });
    away = true;
    open();
    await until(() => [...phases.values()].some((of) => of.at(-1) === 'unreachable'));
    expect(attempts).toBeLessThanOrEqual(4);
    away = false;
    await Promise.all(Array.from({ length: 40 }, (_, n) => done(`ph_${n + 1}`)));
  });

  it('lists what the server refuses, and sends the rest', async () => {
    server.fault = ({ path }) => (path.endsWith('ph_1/finalize') ? 409 : null);
    await add(photo('refused.jpg', 10), photo('fine.jpg', 10));
    await done('ph_2');
    await until(() => failures.has('ph_1'));
    expect(failures.get('ph_1')).toBe('This is a 409.');
  });
});
