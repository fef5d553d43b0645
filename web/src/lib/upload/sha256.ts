/**
 * SHA-256 (FIPS 180-4), fed piece by piece: `crypto.subtle` exists on HTTPS alone, and wants a file whole in memory.
 */
const PRIMES = primes(64);
/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes (section 4.2.2). */
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
/** Of the square roots of the first 8 (section 5.3.3). */
const INITIAL = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const BLOCK = 64;

export class Sha256 {
  private readonly state = Int32Array.from(INITIAL);
  private readonly schedule = new Int32Array(64);
  private readonly rest = new Uint8Array(BLOCK);
  private length = 0;

  /** Take in more of the message. */
  update(bytes: Uint8Array): void {
    let at = 0;
    const pending = this.length % BLOCK;
    this.length += bytes.length;
    if (pending > 0) {
      at = Math.min(BLOCK - pending, bytes.length);
      this.rest.set(bytes.subarray(0, at), pending);
      if (pending + at < BLOCK) return;
      this.blocks(this.rest, 0, 1);
    }
    const whole = Math.floor((bytes.length - at) / BLOCK);
    this.blocks(bytes, at, whole);
    this.rest.set(bytes.subarray(at + whole * BLOCK));
  }

  /** 64 lower-case hex digits of all that was taken in. Nothing may be added afterwards. */
  hex(): string {
    const bits = this.length * 8;
    const pending = this.length % BLOCK;
    const padded = new Uint8Array(pending < 56 ? BLOCK : 2 * BLOCK);
    padded.set(this.rest.subarray(0, pending));
    padded[pending] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(bits / 2 ** 32));
    view.setUint32(padded.length - 4, bits >>> 0);
    this.blocks(padded, 0, padded.length / BLOCK);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private blocks(bytes: Uint8Array, start: number, count: number): void {
    const w = this.schedule;
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, count * BLOCK);
    let [a0, b0, c0, d0, e0, f0, g0, h0] = this.state as unknown as [
      number, number, number, number, number, number, number, number,
    ]; // prettier-ignore
    for (let block = 0; block < count; block++) {
      for (let t = 0; t < 16; t++) w[t] = view.getInt32(block * BLOCK + t * 4);
      for (let t = 16; t < 64; t++) {
        const x = w[t - 15] as number;
        const y = w[t - 2] as number;
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[t] = ((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0;
      }
      let [a, b, c, d, e, f, g, h] = [a0, b0, c0, d0, e0, f0, g0, h0];
      for (let t = 0; t < 64; t++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[t] as number) + (w[t] as number)) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      a0 = (a0 + a) | 0;
      b0 = (b0 + b) | 0;
      c0 = (c0 + c) | 0;
      d0 = (d0 + d) | 0;
      e0 = (e0 + e) | 0;
      f0 = (f0 + f) | 0;
      g0 = (g0 + g) | 0;
      h0 = (h0 + h) | 0;
    }
    this.state.set([a0, b0, c0, d0, e0, f0, g0, h0]);
  }
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}

function fraction(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) | 0;
}
