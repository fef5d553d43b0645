import { ApiError, problemOf } from '../api/errors';

/** S3's codes that mean what the API says otherwise: a status and a code that the rest of the page knows, and the words. */
const KNOWN: Record<string, { status: number; code: string; sentence?: string }> = {
  NoSuchUpload: {
    status: 409,
    code: 'upload-gone',
    sentence: 'This upload has ended: it was cancelled, has expired, or its parts are gone. Retry the photo.',
  },
  NoSuchBucket: { status: 503, code: 'store-refused' },
  // The connection was too slow, or ended early: the same bytes again.
  RequestTimeout: { status: 408, code: 'store-timeout' },
  IncompleteBody: { status: 408, code: 'store-timeout' },
};

/** What a PUT to a presigned URL was refused for: a problem of the embedded store, or the XML of S3. */
export function refusalOf(status: number, body: string, retryAfterMs: number | null): ApiError {
  const code = /<Code>([\w.-]+)<\/Code>/.exec(body)?.[1];
  if (code === undefined) return problemOf(status, body, retryAfterMs);
  const known = KNOWN[code];
  const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1] ?? `It answered ${status}.`;
  const sentence = known?.sentence ?? `The store refuses this file: ${message} (${code})`;
  return new ApiError(known?.status ?? status, known?.code ?? `store-${code}`, sentence, retryAfterMs);
}
