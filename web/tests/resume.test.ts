import { createHash } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { KnownPhoto } from '../src/types/wire';
import { contentHashHere } from '../src/lib/upload/contentHash';
import { crc32c, hex32 } from '../src/lib/upload/crc32c';
import { Connectivity } from '../src/lib/upload/connectivity';
import { recogniser } from '../src/lib/upload/known';
import { type Begun, match } from '../src/lib/upload/keeping/match';
import { type Offer, Resumption, type ResumptionPorts } from '../src/lib/upload/keeping/resumption';
import { probeOf } from '../src/lib/upload/probe';
import { Sha256 } from '../src/lib/upload/sha256';
import type { SourceFile } from '../src/lib/upload/source';

function bytes(size: number, seed = 1): Uint8Array<ArrayBuffer> {
  let state = seed;
  return Uint8Array.from({ length: size }, () => (state = (state * 48271) % 0x7fffffff) & 0xff);
}

function source(name: string, content: Uint8Array<ArrayBuffer>, lastModified = 1_000): SourceFile {
  return { file: new File([content], name, { lastModified }), relativePath: `trip/${name}` };
}

const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

describe('SHA-256', () => {
  it('gives the digests of FIPS 180-4', () => {
    const hash = new Sha256();
    hash.update(new TextEncoder().encode('abc'));
    expect(hash.hex()).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(new Sha256().hex()).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  it('gives what Node gives, however the message is cut', async () => {
    for (const size of [1, 55, 56, 63, 64, 65, 119, 120, 1_000, 100_003]) {
      const content = bytes(size, size);
      for (const cut of [1, 13, 64, 1_000]) {
        const hash = new Sha256();
        for (let at = 0; at < size; at += cut) hash.update(content.subarray(at, at + cut));
        expect(hash.hex()).toBe(sha256(content));
      }
    }
    const large = bytes(5_000_000);
    expect(await contentHashHere(new Blob([large]))).toBe(`sha256:${sha256(large)}`);
  });
});

it('probes head and tail, and a short file by all of it twice', async () => {
  const content = bytes(100_000);
  const sum = (piece: Uint8Array) => hex32(crc32c(piece));
  expect(await probeOf(new Blob([content]))).toBe(sum(content.slice(0, 16_384)) + sum(content.slice(-16_384)));
  const short = bytes(10);
  expect(await probeOf(new Blob([short]))).toBe(sum(short) + sum(short));
});

describe('match', () => {
  const content = bytes(50_000);
  const begun = (more: Partial<Begun> = {}): Begun => ({
    photoId: 'ph_1',
    jobId: 'job_1',
    path: 'trip/a.jpg',
    size: content.length,
    bytesSent: 0,
    rests: true,
    lastModified: 1_000,
    probe: null,
    ...more,
  });
  const kindOf = async (photo: Begun, file = source('a.jpg', content)) => {
    const matched = await match([file], [photo], probeOf);
    return (Object.entries(matched) as [string, unknown[]][])
      .filter(([, found]) => found.length > 0)
      .map(([kind]) => kind);
  };

  it('goes on where path, size and time agree, and with nothing else', async () => {
    expect(await kindOf(begun())).toEqual(['same']);
    expect(await kindOf(begun({ lastModified: null }))).toEqual(['same']);
    expect(await kindOf(begun({ path: 'elsewhere/a.jpg' }))).toEqual(['fresh']);
    expect(await kindOf(begun({ size: 49_999 }))).toEqual(['changed']);
    expect(await kindOf(begun({ lastModified: 999 }))).toEqual(['changed']);
  });

  it('believes head and tail, where they were noted, more than the time', async () => {
    const probe = await probeOf(new Blob([content]));
    expect(await kindOf(begun({ lastModified: 999, probe }))).toEqual(['same']);
    expect(await kindOf(begun({ probe: '0'.repeat(16) }))).toEqual(['changed']);
  });

  it('passes over what is stored or under way, unless it has changed', async () => {
    expect(await kindOf(begun({ rests: false }))).toEqual(['passed']);
    expect(await kindOf(begun({ rests: false, lastModified: 999 }))).toEqual(['fresh']);
  });

  it('knows a name in either of the forms of Unicode', async () => {
    const decomposed = source('Ä.jpg'.normalize('NFD'), content);
    expect(await kindOf(begun({ path: 'trip/Ä.jpg'.normalize('NFC') }), decomposed)).toEqual(['same']);
  });
});

describe('recogniser', () => {
  const content = bytes(50_000);
  const changed = content.slice();
  changed[25_000] = (changed[25_000] ?? 0) ^ 1;
  const never = new AbortController().signal;
  const patience = {
    connectivity: new Connectivity(() => Promise.resolve(true)),
    signal: never,
    signedIn: () => Promise.resolve(),
  };

  async function recognised(file: SourceFile, lastModified: string): Promise<{ hash: string | null; hashed: number }> {
    let hashed = 0;
    const probe = await probeOf(new Blob([content]));
    const contentHash = `sha256:${sha256(content)}`;
    const known: KnownPhoto[] = [
      { photoId: 'ph_1', filename: 'a.jpg', bytes: 50_000, lastModified, contentHash, probe },
    ];
    const recognise = recogniser({
      api: { known: () => Promise.resolve({ items: known }) },
      probe: probeOf,
      contentHash: (blob) => {
        hashed++;
        return contentHashHere(blob);
      },
    });
    return { hash: (await recognise([file], patience)).get(file) ?? null, hashed };
  }

  it('reads only head and tail where the time agrees, all of it where it does not', async () => {
    const hash = `sha256:${sha256(content)}`;
    expect(await recognised(source('a.jpg', content), '1000')).toEqual({ hash, hashed: 0 });
    expect(await recognised(source('a.jpg', content, 5), '1000')).toEqual({ hash, hashed: 1 });
    expect(await recognised(source('a.jpg', changed, 5), '1000')).toEqual({ hash: null, hashed: 1 });
  });

  it('takes no other file for it', async () => {
    expect(await recognised(source('a.jpg', bytes(50_000, 2)), '1000')).toEqual({ hash: null, hashed: 0 });
    expect(await recognised(source('b.jpg', content), '1000')).toEqual({ hash: null, hashed: 0 });
    expect(await recognised(source('a.jpg', bytes(50_001)), '1000')).toEqual({ hash: null, hashed: 0 });
  });
});

describe('what is offered', () => {
  const kept = (photoId: string) => ({
    photoId,
    jobId: 'job_1',
    path: `trip/${photoId}.jpg`,
    size: 9,
    lastModified: 1,
  });
  const root = { jobId: 'job_1', name: 'trip', handle: { name: 'trip', kind: 'directory' } as FileSystemHandle };

  async function offers(ports: {
    files?: string[];
    roots?: boolean;
    held?: string[];
    after?: number;
    bytesSent?: number;
  }): Promise<Offer | null> {
    vi.useFakeTimers({ toFake: ['performance'] });
    const unused = () => Promise.reject(new Error('not asked for'));
    const resumption = new Resumption({
      api: { activeJobs: unused, snapshot: unused, finalize: unused, cancelPhoto: unused },
      records: {
        files: () => Promise.resolve((ports.files ?? []).map(kept)),
        roots: () => Promise.resolve(ports.roots ? [root] : []),
        keepRoots: () => undefined,
        forgetJobs: unused,
      },
      others: { held: () => Promise.resolve(new Set(ports.held)) },
      waiting: () => [{ photoId: 'ph_1', jobId: 'job_1', bytes: 9, bytesSent: ports.bytesSent ?? 3 }],
    } as unknown as ResumptionPorts);
    await resumption.look();
    vi.advanceTimersByTime(ports.after ?? 0);
    const offer = await resumption.look();
    vi.useRealTimers();
    return offer;
  }

  it('is a click where the browser can open the file, else a drop of the folder', async () => {
    expect(await offers({ files: ['ph_1'], roots: true })).toEqual({ ready: ['ph_1'], missing: [], folders: [] });
    expect(await offers({ files: ['ph_1'] })).toEqual({ ready: [], missing: ['ph_1'], folders: ['trip'] });
  });

  it('is nothing that another tab sends, or another device may be sending', async () => {
    expect(await offers({ files: ['ph_1'], roots: true, held: ['ph_1'] })).toBeNull();
    expect(await offers({ after: 9_000 })).toBeNull();
    expect(await offers({ after: 11_000 })).toEqual({ ready: [], missing: ['ph_1'], folders: [] });
  });

  it('leaves what has arrived whole to the server for a while', async () => {
    expect(await offers({ files: ['ph_1'], roots: true, bytesSent: 9 })).toBeNull();
    expect(await offers({ files: ['ph_1'], roots: true, bytesSent: 9, after: 11_000 })).not.toBeNull();
  });
});
