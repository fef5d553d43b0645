// Unused for a moment, so much of it may be made up for at once.
const BURST_MS = 1_000;

/**
 * How many bytes may be sent, as a rate: a leaky bucket. A browser sends a body as fast as the line takes it, so the rate
 * holds between requests: none begins before those that went before are paid for. Times are in milliseconds.
 */
export class Allowance {
  private paidAt = -Infinity;
  private rate: number | null = null;

  /** Milliseconds from `at` until the next request may begin. */
  wait(at: number): number {
    return this.rate === null ? 0 : Math.max(0, this.paidAt - at);
  }

  /** A request of so many bytes begins. */
  spend(bytes: number, at: number): void {
    if (this.rate !== null) this.paidAt = Math.max(this.paidAt, at - BURST_MS) + (bytes * 1_000) / this.rate;
  }

  /** Allow so many bytes a second from now on; null: as many as go. What is not yet paid for is paid at the new rate. */
  allow(bytesPerSecond: number | null, at: number): void {
    const owed = this.rate === null ? 0 : (this.wait(at) * this.rate) / 1_000;
    this.rate = bytesPerSecond;
    this.paidAt = bytesPerSecond === null || owed === 0 ? -Infinity : at + (owed * 1_000) / bytesPerSecond;
  }
}
