import type { PhotoStatus } from '../../types/wire';
import { ApiError } from '../api/errors';
import { isAbort } from './backoff';
import { declare, type Declared, type Into } from './declare';
import type { EnginePorts } from './enginePorts';
import { failureOf } from './faults';
import { type Held, heldOf, targetOf } from './held';
import type { Sending, TransferPorts } from './line';
import { Lineup } from './lineup';
import { type Patience, persist } from './retry';
import { sealingTogether } from './sealing';
import type { SourceFile } from './source';
import { SpeedBoard } from './speed';
import { transfer } from './transfer';

export type { EnginePorts, EngineReport, Phase } from './enginePorts';

// So many more are begun than may send: whoever ends finds another one waiting.
const AHEAD = 2;

/** Sends what it is given, as much at once as the scheduler lets it, until the server has everything. */
export class UploadEngine {
  private readonly held = new Map<string, Held>();
  private readonly waiting = new Lineup<Held>();
  private readonly running = new Set<Held>();
  private readonly ended = new AbortController();
  private calls = 0;
  private readonly speeds: SpeedBoard;
  private readonly line: TransferPorts;

  constructor(private readonly ports: EnginePorts) {
    this.speeds = new SpeedBoard(ports.report);
    this.line = { ...ports, seal: sealingTogether({ ...ports, signal: this.ended.signal }) };
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
    const { api, recognise } = this.ports;
    const onDeclared = (declared: Declared) => {
      onJob(declared.jobId);
      this.take(declared);
    };
    try {
      await declare(files, into, { api, patience: this.patience(this.ended.signal), onDeclared, recognise });
    } finally {
      this.calls--;
    }
  }

  /** Ask the server something until it has answered, however bad the line. */
  ask<T>(work: () => Promise<T>): Promise<T> {
    return persist(work, this.patience(this.ended.signal));
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

  /** Send these before all others, from the next request that ends on. What is under way is not stopped for it. */
  front(photoIds: Iterable<string>): void {
    for (const held of this.those(photoIds)) {
      held.lane.favoured = true;
      if (held.state === 'waiting') this.waiting.addToFront(held);
    }
    this.pump();
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
    const most = this.ports.scheduler.limit + AHEAD;
    const under = [...this.running].filter((held) => !held.finishing);
    let large = under.filter((held) => held.inParts).length;
    let all = under.length;
    // Those at the front do not wait for a whole file of many parts: their requests are the next.
    let favoured = under.filter((held) => held.lane.favoured).length;
    for (;;) {
      const held = all < most ? this.waiting.take(large, most) : favoured < most ? this.waiting.takeFront() : undefined;
      if (!held) return;
      this.start(held);
      all++;
      if (held.inParts) large++;
      if (held.lane.favoured) favoured++;
    }
  }

  /** Send files of photos that are declared: now, or once upon a time, in which case the store is asked what it has. */
  take(declared: Declared): void {
    this.ports.report.declared(declared);
    const all = heldOf(declared, Date.now());
    for (const held of all) {
      this.held.set(held.photoId, held);
      this.waiting.add(held);
    }
    const target = all.map(targetOf).find((url) => url !== undefined);
    if (target) this.ports.onTarget?.(target);
    this.pump();
  }

  private queue(held: Held): void {
    held.state = 'waiting';
    held.plan = null;
    if (held.lane.favoured) this.waiting.addToFront(held);
    else this.waiting.add(held);
    this.ports.report.phase(held.photoId, 'waiting');
    this.pump();
  }

  private start(held: Held): void {
    const abort = new AbortController();
    this.waiting.delete(held);
    this.running.add(held);
    held.state = 'running';
    held.abort = abort;
    const plan = held.plan;
    held.plan = null; // by the next time, others may have sent parts of it
    this.speeds.start(held.photoId);
    const { report } = this.ports;
    const reports = {
      phase: (phase: Sending) => {
        if (abort.signal.aborted) return;
        const finishing = phase === 'finishing';
        report.phase(held.photoId, phase);
        if (finishing === held.finishing) return;
        held.finishing = finishing;
        if (finishing) this.pump();
      },
      bytes: (sent: number, stored = false) => {
        if (abort.signal.aborted) return;
        this.speeds.note(held.photoId, sent, stored);
        report.bytes(held.photoId, sent);
      },
    };
    transfer(held.photoId, held.original, plan, held.inParts, held.lane, this.line, reports, abort.signal).then(
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
      this.ports.report.phase(held.photoId, 'failed', failureOf(error));
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
      persist(() => scheduler.run(signal, () => work(photoId)), this.patience(signal)),
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
