const WINDOW_MS = 4_000;

/** Bytes per second over the last few seconds, from a count that grows (and falls back when a request is repeated). */
export class SpeedMeter {
  private samples: { at: number; bytes: number }[] = [];

  /** Note the count `bytes` at time `at` in milliseconds. */
  note(bytes: number, at: number): void {
    const last = this.samples.at(-1);
    // What went back was never really sent: measure anew from there.
    if (last && bytes < last.bytes) this.samples = [];
    this.samples.push({ at, bytes });
    while (this.samples.length > 2 && (this.samples[1]?.at ?? at) <= at - WINDOW_MS) this.samples.shift();
  }

  /** Bytes per second; 0 before two samples. */
  get speed(): number {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || !last || last.at <= first.at) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
  }
}

const MEASURE_EVERY_MS = 500;

export interface SpeedReport {
  speed: (photoId: string, bytesPerSecond: number) => void;
  totalSpeed: (bytesPerSecond: number) => void;
}

/** The speeds of all that is under way, told twice a second for as long as anything is. */
export class SpeedBoard {
  private readonly running = new Map<string, { sent: number; meter: SpeedMeter }>();
  private readonly total = new SpeedMeter();
  private finished = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly report: SpeedReport) {}

  start(photoId: string): void {
    this.running.set(photoId, { sent: 0, meter: new SpeedMeter() });
    this.timer ??= setInterval(() => {
      this.measure(performance.now());
    }, MEASURE_EVERY_MS);
  }

  /** A photo's bytes so far. What the store had already (`stored`) has no speed. */
  note(photoId: string, sent: number, stored: boolean): void {
    const one = this.running.get(photoId);
    if (!one) return;
    if (stored) {
      this.finished -= sent - one.sent;
      one.meter = new SpeedMeter();
    }
    one.sent = sent;
  }

  end(photoId: string): void {
    const one = this.running.get(photoId);
    if (!one) return;
    this.finished += one.sent;
    this.running.delete(photoId);
    this.report.speed(photoId, 0);
  }

  close(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private measure(now: number): void {
    let bytes = this.finished;
    for (const [photoId, one] of this.running) {
      bytes += one.sent;
      one.meter.note(one.sent, now);
      this.report.speed(photoId, one.meter.speed);
    }
    this.total.note(bytes, now);
    this.report.totalSpeed(this.running.size > 0 ? this.total.speed : 0);
    if (this.running.size === 0) this.close();
  }
}
