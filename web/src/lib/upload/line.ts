import type { FinalizeMultipartUploadRequest } from '../../types/wire';
import { ApiError, HeldBack, NetworkError } from '../api/errors';
import type { UploadApi } from '../api/upload';
import type { Put, PutOptions } from '../s3/multipart';
import type { Checksum } from './checksum';
import type { Connectivity } from './connectivity';
import { hex32 } from './crc32c';
import { faultOf, Stopped, type Waiting } from './faults';
import { ensureReadable, ensureUnchanged, type Original } from './original';
import { type Patience, persist } from './retry';
import type { Lane, Scheduler } from './scheduler';
import type { Seal } from './sealing';

/** What this page is doing with a photo's bytes. */
export type Sending = 'waiting' | 'sending' | 'finishing' | Waiting;

export interface TransferPorts {
  api: Pick<UploadApi, 'urls' | 'storedParts'>;
  seal: Seal;
  put: Put;
  checksum: Checksum;
  scheduler: Scheduler;
  connectivity: Connectivity;
  signedIn: (signal: AbortSignal) => Promise<void>;
  /** Told when the server asks for patience, and for how many milliseconds. */
  onBusy?: (ms: number) => void;
}

export interface TransferReport {
  phase: (phase: Sending) => void;
  /** `stored`: the count is what the store was found to have, not what was sent now. */
  bytes: (sent: number, stored?: boolean) => void;
}

/** Where bytes go. */
export interface Target {
  url: string;
  headers?: PutOptions['headers'];
}

// So often are bytes sent again that arrived otherwise than they left.
const MOST_CORRUPTED = 3;
const MOST_RENEWALS = 5;

/** One photo's way to the store and the server: every request goes through the scheduler and is repeated patiently. */
export class Line {
  constructor(
    readonly original: Original,
    readonly lane: Lane,
    readonly ports: TransferPorts,
    readonly report: TransferReport,
    readonly signal: AbortSignal,
  ) {}

  get patience(): Patience {
    const { connectivity, signedIn, onBusy } = this.ports;
    const onWait: Patience['onWait'] = (reason, ms) => {
      this.report.phase(reason);
      if (ms !== undefined) onBusy?.(ms);
    };
    return { connectivity, signedIn, signal: this.signal, onWait };
  }

  /** The same line, ended by `signal` too. */
  until(signal: AbortSignal): Line {
    return new Line(this.original, this.lane, this.ports, this.report, signal);
  }

  /** A command or query about the photo. */
  ask<T>(work: () => Promise<T>): Promise<T> {
    return persist(
      () =>
        this.ports.scheduler.run(this.signal, () => {
          this.ensureNobodyDoubts();
          return work();
        }),
      this.patience,
    );
  }

  /** Finalize the photo. */
  seal(photoId: string, body: FinalizeMultipartUploadRequest): Promise<void> {
    return persist(() => this.ports.seal(photoId, body, this.signal), this.patience);
  }

  /**
   * PUT `blob` until the store has it as it is, and give its ETag and CRC32C.
   *
   * `url` is asked for in every attempt, with `renew` after a 403 (an expired or refused signature); where it fails the
   * attempt does, and whatever waiting that takes is done outside the scheduler, so that others go on meanwhile;
   * `stored` may say before a repetition that an earlier attempt got through after all, by giving the ETag.
   */
  async send(
    blob: Blob,
    url: (renew: boolean) => Promise<Target>,
    onProgress: (loaded: number) => void,
    stored: () => Promise<string | null>,
  ): Promise<{ etag: string; crc: number }> {
    const { ports, signal } = this;
    let crc: Promise<number> | undefined;
    let renew = false;
    let renewals = 0;
    let corrupted = 0;
    const load = { lane: this.lane, bytes: blob.size };
    const attempt = async (again: number): Promise<{ etag: string; crc: number }> => {
      const already = again > 0 ? await stored() : null;
      if (already !== null) return { etag: already, crc: await (crc ??= ports.checksum(blob)) };
      return ports.scheduler.carry(signal, load, async (handed) => {
        this.ensureNobodyDoubts();
        await ensureUnchanged(this.original);
        const target = await url(renew);
        renew = false;
        this.report.phase('sending');
        onProgress(0);
        crc ??= ports.checksum(blob);
        const etag = await this.put(target, blob, crc, (loaded) => {
          handed(loaded);
          onProgress(loaded);
        });
        onProgress(blob.size);
        return { etag, crc: await crc };
      });
    };
    for (;;) {
      try {
        const sent = await persist(attempt, this.patience);
        if (!differs(sent.etag, sent.crc)) return sent;
        if (++corrupted >= MOST_CORRUPTED) throw new Stopped('corrupted');
      } catch (error) {
        signal.throwIfAborted();
        if (faultOf(error) === 'expired' && ++renewals <= MOST_RENEWALS) renew = true;
        else if (!(cutShort(error) && ++corrupted < MOST_CORRUPTED)) throw error;
      }
      onProgress(0);
    }
  }

  /** PUT `blob`; its checksum is made meanwhile, and where that finds it unreadable, nothing more of it is sent. */
  private async put(
    target: Target,
    blob: Blob,
    crc: Promise<number>,
    onProgress: (loaded: number) => void,
  ): Promise<string> {
    const { put } = this.ports;
    const unreadable = new AbortController();
    crc.catch((error: unknown) => {
      unreadable.abort(error);
    });
    const signal = AbortSignal.any([this.signal, unreadable.signal]);
    try {
      return await put(target.url, blob, { headers: target.headers, signal, onProgress });
    } catch (error) {
      onProgress(0);
      // Browsers report a file that they can no longer read as a broken connection.
      if (error instanceof NetworkError) {
        await ensureUnchanged(this.original);
        await ensureReadable(blob);
      }
      throw error;
    }
  }

  /** While it is not known whether the server is there, one asks and no attempt is wasted. */
  private ensureNobodyDoubts(): void {
    if (this.ports.connectivity.doubtful) throw new HeldBack('the server may be away');
  }
}

/** Whether a store whose ETag is a CRC32C, as the embedded one's is, has other bytes than `crc` stands for. */
export function differs(etag: string, crc: number): boolean {
  return /^[0-9a-f]{8}$/.test(etag) && etag !== hex32(crc);
}

/** Whether the embedded store got too few bytes: it gave up a connection that slept, and wants them again. */
function cutShort(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'size-mismatch';
}
