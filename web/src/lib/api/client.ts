import { API_URL } from '../../config';
import { retryAfter } from '../upload/backoff';
import type { Auth } from './auth';
import { ApiError, NetworkError, problemOf } from './errors';

export interface Ask {
  method?: 'GET' | 'POST' | 'DELETE';
  body?: object;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Calls of the contract, signed by whoever is signed in; a token that has expired is renewed once on the way. */
export class ApiClient {
  /** `server` is the prefix of every path, empty for the page's own origin. */
  constructor(
    private readonly auth: Pick<Auth, 'freshToken' | 'renew'>,
    private readonly server = API_URL,
  ) {}

  /** The JSON answered, undefined for 204. Throws ApiError, NetworkError, or an AbortError of `signal`. */
  async call<T>(path: string, ask: Ask = {}): Promise<T> {
    const text = await this.withToken((token) => this.send(path, ask, token, (response) => response.text()));
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** The body answered, byte for byte. Throws like `call`. */
  fetch(path: string, ask: Ask = {}): Promise<Blob> {
    return this.withToken((token) => this.send(path, ask, token, (response) => response.blob()));
  }

  private async withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const token = await this.auth.freshToken();
    try {
      return await work(token);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
      return await work((await this.auth.renew()).token);
    }
  }

  private async send<T>(path: string, ask: Ask, token: string, read: (response: Response) => Promise<T>): Promise<T> {
    let refusal: ApiError;
    try {
      const response = await fetch(this.server + path + search(ask.query), {
        method: ask.method ?? 'GET',
        headers: {
          authorization: `Bearer ${token}`,
          ...(ask.body && { 'content-type': 'application/json' }),
          ...ask.headers,
        },
        ...(ask.body && { body: JSON.stringify(ask.body) }),
        ...(ask.signal && { signal: ask.signal }),
      });
      if (response.ok) return await read(response);
      refusal = problemOf(response.status, await response.text(), retryAfter(response.headers.get('retry-after')));
    } catch (error) {
      ask.signal?.throwIfAborted();
      throw new NetworkError(`${path}: no answer`, { cause: error });
    }
    throw refusal;
  }
}

/** Whether the server answers at all; a proxy that answers in its place (502 to 504) does not count. */
export async function serverAnswers(server = API_URL): Promise<boolean> {
  try {
    const response = await fetch(`${server}/health/live`, { cache: 'no-store', signal: AbortSignal.timeout(5_000) });
    return ![502, 503, 504].includes(response.status);
  } catch {
    return false; // no answer is the answer
  }
}

function search(query: Ask['query']): string {
  const given = Object.entries(query ?? {}).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined,
  );
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()}` : '';
}
