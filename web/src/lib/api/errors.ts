import type { Problem } from '../../types/wire';

/** An answer that is not a success. `code` is stable, `message` the sentence that says what to do. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterMs: number | null = null,
    readonly fields: Problem['errors'] = [],
  ) {
    super(message);
  }
}

/** No answer came at all: the server is down, the network is gone, or a request stood still. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

/** A request broke off again and again although the server answers otherwise. */
export class CutOff extends Error {
  override readonly name = 'CutOff';

  constructor() {
    super(
      'The bytes do not get through although the server answers. Try again; where photos go to another host, its CORS rules must allow this page.',
    );
  }
}

/** The file under the row can no longer be read as it was chosen. */
export class FileGone extends Error {
  override readonly name = 'FileGone';

  constructor() {
    super('The file was changed, moved or made unreadable since it was chosen. Choose it again.');
  }
}

/** An ApiError from a status and a body, problem+json (RFC 9457) or not. */
export function problemOf(status: number, body: string, retryAfterMs: number | null = null): ApiError {
  let problem: Partial<Problem> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null) problem = parsed;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // a proxy's page, say: the status alone must do
  }
  const sentence = problem.detail ?? `The server answered ${status} without saying why. Try again.`;
  return new ApiError(status, problem.code ?? `http-${status}`, sentence, retryAfterMs, problem.errors ?? []);
}

/** The sentence to show a person for any error. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof FileGone) return error.message;
  if (error instanceof NetworkError) return 'The server cannot be reached. Check the connection, then try again.';
  return error instanceof Error ? error.message : String(error);
}
