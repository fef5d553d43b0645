import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Stalled } from '../src/lib/api/errors';
import { putOverXhr } from '../src/lib/s3/multipart';

/** As much of a browser's XMLHttpRequest as a PUT meets; Node has none. */
class Request {
  static last: Request;
  readonly upload: { onprogress?: (event: { loaded: number }) => void; onload?: () => void } = {};
  onload?: () => void;
  onerror?: () => void;
  status = 200;
  responseText = '';
  aborted = false;
  open = () => undefined;
  setRequestHeader = () => undefined;
  send = () => undefined;
  getResponseHeader = (name: string) => (name === 'etag' ? '"abc"' : null);
  abort = () => {
    this.aborted = true;
  };
  constructor() {
    Request.last = this;
  }
}

const BYTES = 1_600_000;
const put = () =>
  putOverXhr('/storage/x', new Blob([new Uint8Array(BYTES)]), {
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('XMLHttpRequest', Request);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('gives a request up from which no byte has gone for 30 s, also where none ever did', async () => {
  const stalled = expect(put()).rejects.toThrow(Stalled);
  await vi.advanceTimersByTimeAsync(29_000);
  Request.last.upload.onprogress?.({ loaded: 1 });
  await vi.advanceTimersByTimeAsync(29_999);
  expect(Request.last.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await stalled;
  expect(Request.last.aborted).toBe(true);

  const never = expect(put()).rejects.toThrow(Stalled);
  await vi.advanceTimersByTimeAsync(30_000);
  await never;
});

it('leaves the system the time to send what it has taken over', async () => {
  const slow = put();
  Request.last.upload.onload?.();
  await vi.advanceTimersByTimeAsync(30_000 + BYTES / 16 - 1);
  expect(Request.last.aborted).toBe(false);
  Request.last.onload?.();
  expect(await slow).toBe('abc');

  const stalled = expect(put()).rejects.toThrow(Stalled);
  Request.last.upload.onload?.();
  await vi.advanceTimersByTimeAsync(30_000 + BYTES / 16);
  await stalled;
});
