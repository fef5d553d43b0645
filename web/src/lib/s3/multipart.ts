import { say } from '../../texts';
import { reasonOf, retryAfter } from '../upload/backoff';
import { NetworkError, Stalled } from '../api/errors';
import { refusalOf } from './refusal';

/** Files up to this size, in bytes, go as a single PUT; parts are this large unless the server says otherwise. */
export const PART_SIZE = 8 * 1024 * 1024;

// So long a silence means that the connection is dead (a laptop that slept, a lost network).
const STALLED_AFTER_MS = 30_000;
// Once all bytes are handed to the system, nobody tells how many of them have left it: it gets the time that a line needs on
// which it is hardly worth sending photos, and the store its own to write them down.
const SLOWEST_BYTES_PER_MS = 16;

export interface Slice {
  /** From 1. */
  partNumber: number;
  /** Offset of the first byte. */
  start: number;
  /** Offset behind the last byte. */
  end: number;
}

/** The slices that a file of `size` bytes is sent in. */
export function slicesOf(size: number, partSize: number): Slice[] {
  return Array.from({ length: Math.ceil(size / partSize) }, (_, index) => ({
    partNumber: index + 1,
    start: index * partSize,
    end: Math.min(size, (index + 1) * partSize),
  }));
}

export interface PutOptions {
  headers?: Record<string, string> | null | undefined;
  signal: AbortSignal;
  /** Bytes of this request handed to the network so far. */
  onProgress: (loaded: number) => void;
}

/** PUT `body` to a presigned URL; the ETag answered, without its quotes. */
export type Put = (url: string, body: Blob, options: PutOptions) => Promise<string>;

/** `Put` over XMLHttpRequest: fetch cannot tell how much of an upload has gone out. */
export const putOverXhr: Put = (url, body, { headers, signal, onProgress }) =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(reasonOf(signal));
      return;
    }
    const xhr = new XMLHttpRequest();
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    const watch = (ms: number) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => {
        settle(() => {
          reject(new Stalled(`no byte for ${ms / 1_000} s`));
        });
        xhr.abort();
      }, ms);
    };
    const settle = (then: () => void) => {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', abort);
      then();
    };
    const abort = () => {
      settle(() => {
        reject(reasonOf(signal));
      });
      xhr.abort();
    };
    signal.addEventListener('abort', abort, { once: true });
    xhr.upload.onprogress = ({ loaded }) => {
      watch(STALLED_AFTER_MS);
      onProgress(loaded);
    };
    xhr.upload.onload = () => {
      watch(STALLED_AFTER_MS + body.size / SLOWEST_BYTES_PER_MS);
    };
    xhr.onerror = () => {
      settle(() => {
        reject(new NetworkError('the upload was cut off'));
      });
    };
    xhr.onload = () => {
      settle(() => {
        if (xhr.status < 200 || xhr.status > 299) {
          reject(refusalOf(xhr.status, xhr.responseText, retryAfter(xhr.getResponseHeader('retry-after'))));
          return;
        }
        const etag = xhr.getResponseHeader('etag');
        if (etag === null) reject(new Error(say('fault.hidden-etag')));
        else resolve(etag.replace(/^W\//, '').replaceAll('"', ''));
      });
    };
    xhr.open('PUT', url);
    for (const [name, value] of Object.entries(headers ?? {})) xhr.setRequestHeader(name, value);
    watch(STALLED_AFTER_MS);
    // A type of its own would be sent with the body, and is no part of what was signed.
    xhr.send(body.type === '' ? body : body.slice(0, body.size, ''));
  });
