import type { Preview } from './find';

export interface PreviewRequest {
  id: number;
  file: Blob;
}
export interface PreviewAnswer {
  id: number;
  preview: Pick<Preview, 'blob' | 'orientation'> | null;
  reason?: string;
}

/** A preview as it can be shown: a URL, and how it is to be turned. */
export interface Shown {
  url: string;
  orientation: number;
}

// As many as a person scrolls by without noticing that others were let go.
const MOST_KEPT = 400;

/**
 * The previews of files that this page was given, found when somebody looks. Files are kept by reference until they are
 * forgotten, previews only while they are of use.
 */
export class Previews {
  private readonly files = new Map<string, Blob>();
  private readonly shown = new Map<string, Shown | null>();
  private readonly asked = new Map<number, { photoId: string; resolve: (shown: Shown | null) => void }>();
  private worker: Worker | null = null;
  private last = 0;

  constructor(private readonly start: () => Worker) {}

  keep(photoId: string, file: Blob): void {
    this.files.set(photoId, file);
  }

  /** What is known of a photo's preview now: null that it has none, undefined that nobody has looked yet. */
  known(photoId: string): Shown | null | undefined {
    return this.files.has(photoId) ? this.shown.get(photoId) : null;
  }

  /** Look for a photo's preview. Null where it has none, or this page does not hold its file. */
  async find(photoId: string): Promise<Shown | null> {
    const known = this.known(photoId);
    if (known !== undefined) return known;
    const file = this.files.get(photoId);
    if (!file) return null;
    const id = ++this.last;
    return new Promise((resolve) => {
      this.asked.set(id, { photoId, resolve });
      this.running().postMessage({ id, file } satisfies PreviewRequest);
    });
  }

  forget(photoIds: Iterable<string>): void {
    for (const photoId of photoIds) {
      this.files.delete(photoId);
      this.release(photoId);
    }
  }

  clear(): void {
    this.forget([...this.files.keys()]);
  }

  private running(): Worker {
    if (this.worker) return this.worker;
    const worker = this.start();
    worker.onmessage = ({ data }: MessageEvent<PreviewAnswer>) => {
      this.answered(data);
    };
    worker.onerror = () => {
      // It could not be loaded, or ran out of memory: rows do without, and the next one asked for tries anew.
      worker.terminate();
      this.worker = null;
      for (const { resolve } of this.asked.values()) resolve(null);
      this.asked.clear();
    };
    this.worker = worker;
    return worker;
  }

  private answered({ id, preview }: PreviewAnswer): void {
    const asked = this.asked.get(id);
    this.asked.delete(id);
    if (!asked) return;
    const { photoId, resolve } = asked;
    if (!this.files.has(photoId)) {
      resolve(null); // forgotten meanwhile
      return;
    }
    this.release(photoId);
    const shown = preview && { url: URL.createObjectURL(preview.blob), orientation: preview.orientation };
    this.shown.set(photoId, shown);
    for (const [oldest] of this.shown) {
      if (this.shown.size <= MOST_KEPT) break;
      this.release(oldest);
    }
    resolve(shown);
  }

  private release(photoId: string): void {
    const shown = this.shown.get(photoId);
    this.shown.delete(photoId);
    if (shown) URL.revokeObjectURL(shown.url);
  }
}
