import type { Download, Listing, Photo, Timeline } from '../../types/wire';
import type { ApiClient } from './client';

/** Where photos are: in the library, by capture, or in the trash, by deletion. */
export type Place = 'library' | 'trash';

export interface Wanted {
  search?: string | undefined;
  /** The newest and the oldest day. */
  to?: string | undefined;
  from?: string | undefined;
}

const ORDER = { library: 'captured', trash: 'deleted' } as const;
// As many as one call takes.
export const MOST_CHANGED = 1_000;
export const MOST_REMOVED = 100;

/** The library and its trash. */
export class PhotosApi {
  constructor(private readonly client: ApiClient) {}

  timeline(shelf: Place, search?: string, signal?: AbortSignal): Promise<Timeline> {
    return this.client.call('/queries/photos/timeline', { query: { shelf, search }, signal });
  }

  page(shelf: Place, asked: Wanted & { page: number; size: number }, signal?: AbortSignal): Promise<Listing> {
    const path = shelf === 'trash' ? '/queries/photos/trash' : '/queries/photos';
    return this.client.call(path, { query: { ...asked, order: ORDER[shelf] }, signal });
  }

  /** The ids of all photos that are wanted, in the order of the timeline. */
  async ids(shelf: Place, wanted: Wanted): Promise<string[]> {
    const found: string[] = [];
    let cursor: string | undefined;
    do {
      const query = { ...wanted, shelf, cursor };
      const told: { photoIds: string[]; nextCursor?: string | null } = await this.client.call('/queries/photos/ids', {
        query,
      });
      found.push(...told.photoIds);
      cursor = told.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return found;
  }

  photo(photoId: string, signal?: AbortSignal): Promise<Photo> {
    return this.client.call(`/queries/photos/${photoId}`, { signal });
  }

  downloadUrl(photoId: string, signal?: AbortSignal): Promise<Download> {
    return this.client.call(`/queries/photos/${photoId}/download-url`, { signal });
  }

  /** Those of at most `MOST_CHANGED` photos that are in the trash now. */
  trash(photoIds: readonly string[]): Promise<string[]> {
    return this.change('trash', photoIds);
  }

  /** Those of at most `MOST_CHANGED` photos that are not in the trash now. */
  restore(photoIds: readonly string[]): Promise<string[]> {
    return this.change('restore', photoIds);
  }

  /** Those of at most `MOST_REMOVED` photos of the trash that are gone for good now. */
  remove(photoIds: readonly string[]): Promise<string[]> {
    return this.change('permanent', photoIds);
  }

  private async change(how: string, photoIds: readonly string[]): Promise<string[]> {
    const body = { photoIds };
    const told: { photoIds: string[] } = await this.client.call(`/commands/photos/${how}`, { method: 'POST', body });
    return told.photoIds;
  }
}
