import type { PhotoStatus } from '../../types/wire';
import { ApiError, sentenceOf } from '../api/errors';
import type { UploadApi } from '../api/upload';
import { isAbort } from './backoff';
import { declare, type Declared, type Into } from './declare';
import { type Held, hold } from './held';
import type { Recognise } from './known';
import type { Sending, TransferPorts } from './line';
import { type Patience, persist } from './retry';
import type { SourceFile } from './source';
import { SpeedBoard } from './speed';
import { transfer } from './transfer';

export type Phase = Sending | 'paused' | 'cancelling' | 'failed';

/** What the engine tells: facts of this page, never of the server. */
export interface EngineReport {
  declared: (declared: Declared) => void;
  phase: (photoId: string, phase: Phase | null, failure?: { code: string; message: string }) => void;
  bytes: (photoId: string, sent: number) => void;
  speed: (photoId: string, bytesPerSecond: number) => void;
  totalSpeed: (bytesPerSecond: number) => void;
  retried: (photoId: string, status: 'QUEUED' | 'PROCESSING') => void;
}

export interface EnginePorts extends TransferPorts {
  api: TransferPorts['api'] & Pick<UploadApi, 'createJob' | 'addFiles' | 'snapshot' | 'cancelPhoto' | 'retryPhoto'>;
  report: EngineReport;
  /** Finds what the library has already, so that it is not sent. */
  recognise?: Recognise;
  /** Called with the first URL of what was declared together: where bytes go decides how many requests are worth having at once. */
  onTarget?: (url: string) => void;
}

/** Sends what it is given, as much at once as the scheduler lets it, until the server has everything. */
export class UploadEngine {
  private readonly held = new Map<string, Held>();
  private readonly waiting = new Set<Held>();
  private readonly running = new Set<Held>();
  private readonly ended = new AbortController();
  private calls = 0;
  private readonly speeds: SpeedBoard;

  constructor(private readonly ports: EnginePorts) {
    this.speeds = new SpeedBoard(ports.report);
  }

  /** Whether anything would be lost if the page were closed now. */
  get busy(): boolean {
    return this.waiting.size + this.running.size > 0;
  }

  /** Whether files are being declared now. */
  get declaring(): boolean {
    return this.calls > 0;
  }

  /** Whether this photo is being sent, or is going to be. */
  sends(photoId: string): boolean {
    return (this.held.get(photoId)?.state ?? 'resting') !== 'resting';
  }

  /**
   * Declare these files, as one job or `into` one that awaits them, and send them. `onJob` hears of the job as soon as
   * it is there. Resolves once all are declared; throws what the API answered.
   */
  async add(
    files: readonly SourceFile[],
    into: Into | null = null,
    onJob: (jobId: string) => void = () => undefined,
  ): Promise<void> {
    if (files.length === 0) return;
    this.calls++;
    const onDeclared = (declared: Declared) => {
      onJob(declared.jobId);
      this.take(declared);
    };
    const { api, recognise } = this.ports;
    const patience = this.patience(this.ended.signal);
    try {
      await declare(files, into, { api, patience, onDeclared, recognise });
    } finally {
      this.calls--;
    }
  }

  /** Stop sending these photos, or all; what is stored stays stored. */
  pause(photoIds: Iterable<string> = this.held.keys()): void {
    for (const held of this.those(photoIds)) {
      // What is sealed just now has nothing left to send.
      if (held.state === 'resting' || held.finishing) continue;
      this.stop(held);
      this.ports.report.phase(held.photoId, 'paused');
    }
  }

  /** Go on with photos that were paused or stopped by an error: only what the store does not have is sent. */
  resume(photoIds: Iterable<string>): void {
    for (const held of this.those(photoIds)) if (held.state === 'resting') this.queue(held);
  }

  /** Cancel photos on the server, whether or not this page holds their files; keeps on until the server has heard. */
  async cancel(photoIds: Iterable<string>): Promise<void> {
    await this.command(photoIds, async (photoId) => {
      const held = this.held.get(photoId);
      if (held) this.stop(held);
      this.ports.report.phase(photoId, 'cancelling');
      await this.ports.api.cancelPhoto(photoId);
      this.forget([photoId]);
      this.ports.report.phase(photoId, null);
    });
  }

  /** A new attempt of photos that FAILED; their bytes are sent again where the server no longer has them. */
  async retry(photoIds: Iterable<string>): Promise<void> {
    await this.command(photoIds, async (photoId) => {
      await this.ports.api.retryPhoto(photoId);
      await this.sendIfWanted(photoId);
    });
  }

  /** News of the server about a photo. */
  told(photoId: string, status: PhotoStatus, attempt: number): void {
    const held = this.held.get(photoId);
    if (!held || attempt < held.attempt) return;
    const again = attempt > held.attempt;
    held.attempt = attempt;
    if (status === 'COMPLETED' || status === 'CANCELLED') {
      this.stop(held);
      this.forget([photoId]);
      this.ports.report.phase(photoId, null);
    } else if (status === 'FAILED' || status === 'PROCESSING') {
      // It ended elsewhere: another tab, or the server itself.
      if (held.state === 'waiting' || status === 'FAILED') this.stop(held);
    } else if (again && held.state === 'resting') {
      this.queue(held); // retried in another tab, which may not have the file
    }
  }

  /** Let go of files that need not be sent any more. */
  forget(photoIds: Iterable<string>): void {
    for (const photoId of photoIds) {
      const held = this.held.get(photoId);
      if (held) this.waiting.delete(held);
      this.held.delete(photoId);
    }
  }

  /** Stop everything and forget it: somebody signed out. */
  close(): void {
    this.ended.abort();
    for (const held of this.held.values()) this.stop(held);
    this.held.clear();
    this.speeds.close();
  }

  /** More may run at once than before. */
  pump(): void {
    for (const held of this.waiting) {
      if (this.running.size >= this.ports.scheduler.limit) return;
      this.start(held);
    }
  }

  /** Send files of photos that are declared: now, or once upon a time, in which case the store is asked what it has. */
  take(declared: Declared): void {
    this.ports.report.declared(declared);
    let target = this.ports.onTarget;
    declared.items.forEach((item, index) => {
      const source = declared.files[index];
      if (!source || item.errorCode || item.duplicateOf) return;
      const url = item.presignedUrl ?? item.multipart?.partUrls[0]?.presignedUrl;
      if (url) {
        target?.(url);
        target = undefined;
      }
      const held = hold(declared.jobId, item, source.file);
      this.held.set(item.photoId, held);
      this.waiting.add(held);
    });
    this.pump();
  }

  private queue(held: Held): void {
    held.state = 'waiting';
    held.item = null;
    this.waiting.add(held);
    this.ports.report.phase(held.photoId, 'waiting');
    this.pump();
  }

  private start(held: Held): void {
    const abort = new AbortController();
    this.waiting.delete(held);
    this.running.add(held);
    held.state = 'running';
    held.abort = abort;
    const item = held.item;
    held.item = null; // its URLs may have expired by the next time
    this.speeds.start(held.photoId);
    const { report } = this.ports;
    const reports = {
      phase: (phase: Sending) => {
        if (abort.signal.aborted) return;
        held.finishing = phase === 'finishing';
        report.phase(held.photoId, phase);
      },
      bytes: (sent: number, stored = false) => {
        if (abort.signal.aborted) return;
        this.speeds.note(held.photoId, sent, stored);
        report.bytes(held.photoId, sent);
      },
    };
    transfer(held.photoId, held.file, item, held.inParts, this.ports, reports, abort.signal).then(
      () => {
        if (held.abort === abort) this.rest(held, null);
      },
      (error: unknown) => {
        if (held.abort !== abort || (abort.signal.aborted && isAbort(error))) return;
        this.rest(held, error);
      },
    );
  }

  /** A transfer has ended by itself. */
  private rest(held: Held, error: unknown): void {
    this.leave(held);
    if (error === null || (error instanceof ApiError && error.code === 'already-stored')) {
      this.ports.report.phase(held.photoId, null);
    } else {
      const code = error instanceof ApiError ? error.code : 'upload-stopped';
      this.ports.report.phase(held.photoId, 'failed', { code, message: sentenceOf(error) });
    }
    this.pump();
  }

  private stop(held: Held): void {
    held.abort?.abort();
    this.waiting.delete(held);
    this.leave(held);
    this.pump();
  }

  private leave(held: Held): void {
    this.running.delete(held);
    held.state = 'resting';
    held.abort = null;
    held.finishing = false;
    this.speeds.end(held.photoId);
  }

  private async sendIfWanted(photoId: string): Promise<void> {
    const held = this.held.get(photoId);
    if (!held) return;
    try {
      await this.ports.api.urls(photoId);
      this.ports.report.retried(photoId, 'QUEUED');
      if (held.state === 'resting') this.queue(held);
    } catch (error) {
      // Its bytes are stored: the server processes it anew by itself.
      if (!(error instanceof ApiError && error.code === 'already-stored')) throw error;
      this.ports.report.retried(photoId, 'PROCESSING');
    }
  }

  private async command(photoIds: Iterable<string>, work: (photoId: string) => Promise<void>): Promise<void> {
    const { scheduler } = this.ports;
    const signal = this.ended.signal;
    const done = [...photoIds].map((photoId) =>
      persist(() => scheduler.run(signal, () => work(photoId), true), this.patience(signal)),
    );
    const failed = (await Promise.allSettled(done)).find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  private patience(signal: AbortSignal): Patience {
    const { connectivity, signedIn, onBusy } = this.ports;
    const onWait: Patience['onWait'] = (_reason, ms) => {
      if (ms !== undefined) onBusy?.(ms);
    };
    return { connectivity, signedIn, signal, onWait };
  }

  private *those(photoIds: Iterable<string>): Generator<Held> {
    for (const photoId of [...photoIds]) {
      const held = this.held.get(photoId);
      if (held) yield held;
    }
  }
}
