import { say } from '../../texts';
import { ApiError, NetworkError, Stalled } from '../api/errors';

/** What can go wrong on a photo's way to the store. */
export type Fault =
  | 'offline'
  | 'stalled'
  | 'unavailable'
  | 'throttled'
  | 'signed-out'
  | 'expired'
  | 'changed'
  | 'vanished'
  | 'quota'
  | 'corrupted'
  | 'cut-off'
  | 'server-fault'
  | 'refused';

/**
 * What cures a fault. `reconnect`: wait until the server answers, however long that takes. `wait`: as long as the server
 * says, or longer each time, without end. `again`: likewise, but not for ever. `renew`: another signed URL. `sign-in`:
 * somebody must. `choose`: the file must be chosen anew. `stop`: nothing here; the words (`fault.…`) say what to do.
 */
export type Recovery = 'reconnect' | 'wait' | 'again' | 'renew' | 'sign-in' | 'choose' | 'stop';

/** What a row shows (the text `phase.…`) while a fault is being waited out. */
export type Waiting = 'unreachable' | 'interrupted' | 'stalled' | 'busy' | 'signed-out';

interface Entry {
  recovery: Recovery;
  waiting: Waiting | null;
  /** Whether fewer requests at once might have had none of it. */
  strain: boolean;
}

export const FAULTS: Readonly<Record<Fault, Entry>> = {
  offline: {
    recovery: 'reconnect',
    waiting: 'interrupted',
    strain: true,
  },
  stalled: {
    recovery: 'reconnect',
    waiting: 'stalled',
    strain: true,
  },
  unavailable: {
    recovery: 'wait',
    waiting: 'unreachable',
    strain: true,
  },
  throttled: {
    recovery: 'wait',
    waiting: 'busy',
    strain: true,
  },
  'signed-out': {
    recovery: 'sign-in',
    waiting: 'signed-out',
    strain: false,
  },
  expired: {
    recovery: 'renew',
    waiting: null,
    strain: false,
  },
  changed: {
    recovery: 'choose',
    waiting: null,
    strain: false,
  },
  vanished: {
    recovery: 'choose',
    waiting: null,
    strain: false,
  },
  quota: {
    recovery: 'again',
    waiting: 'busy',
    strain: false,
  },
  corrupted: {
    recovery: 'stop',
    waiting: null,
    strain: false,
  },
  'cut-off': {
    recovery: 'stop',
    waiting: null,
    strain: false,
  },
  'server-fault': {
    recovery: 'again',
    waiting: 'busy',
    strain: true,
  },
  refused: {
    recovery: 'stop',
    waiting: null,
    strain: false,
  },
};

// 408: the store found the connection too slow. 425: too early. Both mean the same bytes again.
const BY_STATUS: Readonly<Record<number, Fault>> = {
  401: 'signed-out',
  403: 'expired',
  408: 'server-fault',
  425: 'server-fault',
  429: 'throttled',
  500: 'server-fault',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
  507: 'quota',
};

// S3's word for what others answer with a status.
const BY_CODE: Readonly<Record<string, Fault>> = {
  'store-SlowDown': 'throttled',
  'store-QuotaExceeded': 'quota',
  'store-XMinioStorageFull': 'quota',
};

/** An upload that was stopped here, by the file itself or by what became of its bytes. */
export class Stopped extends Error {
  override readonly name = 'Stopped';

  constructor(
    readonly fault: 'changed' | 'vanished' | 'corrupted' | 'cut-off',
    options?: ErrorOptions,
  ) {
    super(wordsOf(fault), options);
  }
}

/** Which fault an error is; null for one that is none of the network's, the file's or the server's. */
export function faultOf(error: unknown): Fault | null {
  if (error instanceof ApiError) return BY_CODE[error.code] ?? BY_STATUS[error.status] ?? 'refused';
  if (error instanceof Stalled) return 'stalled';
  if (error instanceof NetworkError) return 'offline';
  return error instanceof Stopped ? error.fault : null;
}

/** What to do about a fault, for a person. The server's own sentence, where there is one, is more exact and goes before. */
export function wordsOf(fault: Fault): string {
  return say(`fault.${fault}`);
}

/** The table's line for an error; null likewise. */
export function entryOf(error: unknown): Entry | null {
  const fault = faultOf(error);
  return fault && FAULTS[fault];
}

/** Code and sentence of an upload that has stopped for good. */
export function failureOf(error: unknown): { code: string; message: string } {
  const fault = faultOf(error);
  if (error instanceof ApiError && fault) return { code: error.code, message: error.message || wordsOf(fault) };
  if (fault) return { code: `upload-${fault}`, message: wordsOf(fault) };
  return { code: 'upload-stopped', message: error instanceof Error ? error.message : String(error) };
}
