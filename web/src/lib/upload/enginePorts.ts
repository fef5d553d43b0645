import type { UploadApi } from '../api/upload';
import type { Declared } from './declare';
import type { Recognise } from './known';
import type { Sending, TransferPorts } from './line';
import type { SealingPorts } from './sealing';

/** What this page is doing with a photo. */
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

export interface EnginePorts extends Omit<TransferPorts, 'seal'> {
  api: TransferPorts['api'] &
    SealingPorts['api'] &
    Pick<UploadApi, 'createJob' | 'addFiles' | 'snapshot' | 'cancelPhoto' | 'retryPhoto'>;
  report: EngineReport;
  /** Finds what the library has already, so that it is not sent. */
  recognise?: Recognise;
  /** Called with the first URL of what was declared together: where bytes go decides how many requests are worth having at once. */
  onTarget?: (url: string) => void;
}
