import { API_URL } from '../../config';
import { say } from '../../texts';
import type { SignedIn } from '../../types/wire';
import { reasonOf } from '../upload/backoff';
import { ApiError, NetworkError, problemOf, sentenceOf } from './errors';

const KEPT = 'safelight.session';
// Renewed so long before it ends: hidden tabs run their timers only once a minute.
const RENEW_BEFORE_MS = 3 * 60_000;

export interface Session {
  token: string;
  userId: string;
  email: string;
  /** Unix milliseconds. */
  expiresAt: number;
}

type Listener = (session: Session | null, reason?: string) => void;

/** Who is signed in: kept over reloads, shared by all tabs, and renewed before the token ends. */
export class Auth {
  private current: Session | null;
  private renewing: Promise<Session> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<Listener>();

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>) {
    this.current = read(storage.getItem(KEPT));
    this.schedule();
  }

  get session(): Session | null {
    return this.current;
  }

  /** Be told of every sign-in, renewal and end; with the reason where the end was not asked for. */
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Another tab signed in or out. */
  adopt(kept: string | null): void {
    const other = read(kept);
    if (other?.token !== this.current?.token) this.set(other, undefined, false);
  }

  async logIn(email: string, password: string): Promise<Session> {
    return this.set(await post('/api/auth/login', { email, password }));
  }

  async register(email: string, password: string): Promise<Session> {
    return this.set(await post('/api/auth/register', { email, password }));
  }

  /** Sign in by the one-time code of a link that the server printed. */
  async useLink(code: string): Promise<Session> {
    return this.set(await post('/api/auth/link', { code }));
  }

  /** End this sign-in here at once, and on the server as far as it can be reached. */
  async logOut(): Promise<void> {
    const token = this.current?.token;
    this.set(null);
    if (token) await post('/api/auth/logout', undefined, token);
  }

  /** A token that has not ended as far as this clock can tell, renewed first where it has. */
  async freshToken(): Promise<string> {
    if (!this.current) throw signedOut();
    if (this.renewing) return (await this.renewing).token;
    return this.current.expiresAt > Date.now() ? this.current.token : (await this.renew()).token;
  }

  /** A new token in place of the present one; all who ask meanwhile get the same. Signs out where it is refused. */
  renew(): Promise<Session> {
    this.renewing ??= this.exchange().finally(() => {
      this.renewing = null;
    });
    return this.renewing;
  }

  /** Resolves when somebody is signed in. */
  signedIn(signal: AbortSignal): Promise<void> {
    if (this.current) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const unsubscribe = this.subscribe((session) => {
        if (!session) return;
        unsubscribe();
        signal.removeEventListener('abort', stop);
        resolve();
      });
      const stop = () => {
        unsubscribe();
        reject(reasonOf(signal));
      };
      signal.addEventListener('abort', stop, { once: true });
    });
  }

  private async exchange(): Promise<Session> {
    const before = this.current;
    if (!before) throw signedOut();
    try {
      const renewed = await post('/api/auth/refresh', undefined, before.token);
      if (!this.current) throw signedOut();
      return this.set(renewed);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401 && this.current?.token === before.token)
        this.set(null, sentenceOf(error));
      throw error;
    }
  }

  private set(session: SignedIn | Session, reason?: string, keep?: boolean): Session;
  private set(session: SignedIn | Session | null, reason?: string, keep?: boolean): Session | null;
  private set(session: SignedIn | Session | null, reason?: string, keep = true): Session | null {
    const expiresAt =
      session && (typeof session.expiresAt === 'string' ? Date.parse(session.expiresAt) : session.expiresAt);
    this.current = session && { ...session, expiresAt: expiresAt ?? 0 };
    if (keep && this.current) this.storage.setItem(KEPT, JSON.stringify(this.current));
    else if (keep) this.storage.removeItem(KEPT);
    this.schedule();
    for (const listener of this.listeners) listener(this.current, reason);
    return this.current;
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (!this.current) return;
    const left = this.current.expiresAt - Date.now();
    const wait = Math.max(5_000, left - RENEW_BEFORE_MS, left / 2);
    this.timer = setTimeout(
      () => {
        this.renew().catch((error: unknown) => {
          // Out of reach: the next try comes by itself. Refused: `exchange` has signed out.
          if (error instanceof NetworkError || (error instanceof ApiError && error.status !== 401)) this.schedule();
        });
      },
      Math.min(wait, 2 ** 31 - 1),
    );
  }
}

/** How one may sign in here. */
export async function signInOptions(): Promise<{ registration: 'open' | 'closed' }> {
  const response = await reach('/api/auth/options', {});
  return (await response.json()) as { registration: 'open' | 'closed' };
}

function signedOut(): ApiError {
  return new ApiError(401, 'unauthenticated', say('account.signedOut'));
}

function read(kept: string | null): Session | null {
  if (kept === null) return null;
  try {
    const parsed = JSON.parse(kept) as Partial<Session> | null;
    return typeof parsed?.token === 'string' && typeof parsed.expiresAt === 'number' ? (parsed as Session) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null; // not ours: as good as signed out
    throw error;
  }
}

async function post(path: string, body?: object, token?: string): Promise<SignedIn> {
  const response = await reach(path, {
    method: 'POST',
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (response.status === 204 ? {} : await response.json()) as SignedIn;
}

async function reach(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(API_URL + path, init);
  } catch (error) {
    throw new NetworkError(`${path}: no answer`, { cause: error });
  }
  if (!response.ok) throw problemOf(response.status, await response.text());
  return response;
}
