import { say } from '../../texts';
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

/** A request stood still until it was given up. */
export class Stalled extends NetworkError {}

/** A request that was not even begun, because another one was just cut off and nobody knows yet whether the server is there. */
export class HeldBack extends NetworkError {}

/** An ApiError from a status and a body, problem+json (RFC 9457) or not. */
export function problemOf(status: number, body: string, retryAfterMs: number | null = null): ApiError {
  let problem: Partial<Problem> = {};
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null) problem = parsed;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error; // a proxy's page, say: the status alone must do
  }
  const sentence = problem.detail ?? say('fault.unexplained', { status });
  return new ApiError(status, problem.code ?? `http-${status}`, sentence, retryAfterMs, problem.errors ?? []);
}

/** The sentence to show a person for any error. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  if (error instanceof NetworkError) return say('fault.offline');
  return error instanceof Error ? error.message : String(error);
}
