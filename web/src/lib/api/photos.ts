import type { Download, Listing, Photo } from '../../types/wire';
import type { ApiClient } from './client';

export interface Wanted {
  search?: string | undefined;
  cursor?: string | undefined;
  size?: number;
}

/** The library and its trash. */
export class PhotosApi {
  constructor(private readonly client: ApiClient) {}

  list({ search, cursor, size }: Wanted, signal?: AbortSignal): Promise<Listing> {
    return this.client.call('/queries/photos', { query: { search: search ?? undefined, cursor, size }, signal });
  }

  trash({ search, cursor, size }: Wanted, signal?: AbortSignal): Promise<Listing> {
    return this.client.call('/queries/photos/trash', { query: { search: search ?? undefined, cursor, size }, signal });
  }

  photo(photoId: string, signal?: AbortSignal): Promise<Photo> {
    return this.client.call(`/queries/photos/${photoId}`, { signal });
  }

  downloadUrl(photoId: string): Promise<Download> {
    return this.client.call(`/queries/photos/${photoId}/download-url`);
  }

  moveToTrash(photoId: string): Promise<void> {
    return this.client.call(`/commands/photos/${photoId}`, { method: 'DELETE' });
  }

  restore(photoId: string): Promise<void> {
    return this.client.call(`/commands/photos/${photoId}/restore`, { method: 'POST' });
  }

  deleteForGood(photoId: string): Promise<void> {
    return this.client.call(`/commands/photos/${photoId}/permanent`, { method: 'DELETE' });
  }
}
