/** How much of a photo this page has sent. */
export interface Sent {
  photoId: string;
  bytesSent: number;
  bytesTotal: number;
}

// As many as one progress command takes.
const MOST = 1_000;

/** What is to be told to the server, of each photo the newest alone; of too many photos the oldest are let go. */
export class Outbox {
  private readonly newest = new Map<string, Sent>();

  constructor(private readonly most = MOST) {}

  get size(): number {
    return this.newest.size;
  }

  put(sent: Sent): void {
    this.newest.delete(sent.photoId); // what is put last goes last
    this.newest.set(sent.photoId, sent);
    const [oldest] = this.newest.keys();
    if (this.newest.size > this.most && oldest !== undefined) this.newest.delete(oldest);
  }

  /** All of it, oldest first; nothing is left. */
  take(): Sent[] {
    const all = [...this.newest.values()];
    this.newest.clear();
    return all;
  }
}
