import type { LiveConnection, LiveConnections } from '../../types/wire';
import type { ApiClient } from './client';
import { ApiError, NetworkError } from './errors';

// The list is asked for every other second: an answer that is not there by then is worth no more waiting.
const PATIENCE_MS = 8_000;

/** What administrators alone are answered (E31). */
export class AdminApi {
  constructor(private readonly client: ApiClient) {}

  /** The live connections, oldest first; null where there is nothing here for whoever asks. */
  async connections(signal: AbortSignal): Promise<LiveConnection[] | null> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    try {
      const { items } = await this.client.call<LiveConnections>('/api/admin/connections', {
        signal: AbortSignal.any([signal, patience]),
      });
      return items;
    } catch (error) {
      if (error === patience.reason) throw new NetworkError('/api/admin/connections: no answer', { cause: error });
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** End a connection; false where it had ended already. */
  async endConnection(connectionId: string): Promise<boolean> {
    try {
      await this.client.call(`/api/admin/connections/${encodeURIComponent(connectionId)}`, { method: 'DELETE' });
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}
