import { say } from '../../texts';
import { ApiError, problemOf } from '../api/errors';

/** S3's codes that mean what the API says otherwise: a status and a code that the rest of the page knows, and the words. */
const KNOWN: Record<string, { status: number; code: string; words?: 'fault.upload-gone' }> = {
  NoSuchUpload: {
    status: 409,
    code: 'upload-gone',
    words: 'fault.upload-gone',
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
  const message = /<Message>([^<]*)<\/Message>/.exec(body)?.[1];
  const refused =
    message === undefined
      ? say('fault.store-answers', { status, code })
      : say('fault.store-refuses', { message, code });
  const sentence = known?.words ? say(known.words) : refused;
  return new ApiError(known?.status ?? status, known?.code ?? `store-${code}`, sentence, retryAfterMs);
}
