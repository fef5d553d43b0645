/**
 * CRC32C (Castagnoli, RFC 3720 appendix B.4) in plain TypeScript: `crypto.subtle` has no CRC, and neither it nor
 * WebAssembly is to be had under every policy and on plain HTTP. Sixteen tables, sixteen bytes a step.
 */
const POLYNOMIAL = 0x82f63b78; // 0x1EDC6F41 with its bits reversed

const TABLES: Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  const tables = [first];
  for (let n = 1; n < 16; n++) {
    const previous = tables[n - 1] ?? first;
    tables.push(previous.map((crc) => (crc >>> 8) ^ at(first, crc & 0xff)));
  }
  return tables;
}

/** A table's entry at an index that is known to be within it. */
function at(table: Int32Array, index: number): number {
  return table[index] as number;
}

/** The CRC32C of `bytes` after those that gave `crc` (0 at the beginning), as an unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, crc = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12, t13, t14, t15] = TABLES as [
    Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array,
    Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array,
  ]; // prettier-ignore
  let c = ~crc;
  let i = 0;
  const end = bytes.length;
  while (i < end && (bytes.byteOffset + i) % 4 !== 0) c = at(t0, (c ^ (bytes[i++] as number)) & 0xff) ^ (c >>> 8);
  if (i === end) return ~c >>> 0;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (end - i) >>> 2);
  const blocks = words.length - (words.length % 4);
  for (let w = 0; w < blocks; w += 4) {
    const a = at(words, w) ^ c;
    const b = at(words, w + 1);
    const d = at(words, w + 2);
    const e = at(words, w + 3);
    c =
      at(t15, a & 0xff) ^ at(t14, (a >>> 8) & 0xff) ^ at(t13, (a >>> 16) & 0xff) ^ at(t12, a >>> 24) ^
      at(t11, b & 0xff) ^ at(t10, (b >>> 8) & 0xff) ^ at(t9, (b >>> 16) & 0xff) ^ at(t8, b >>> 24) ^
      at(t7, d & 0xff) ^ at(t6, (d >>> 8) & 0xff) ^ at(t5, (d >>> 16) & 0xff) ^ at(t4, d >>> 24) ^
      at(t3, e & 0xff) ^ at(t2, (e >>> 8) & 0xff) ^ at(t1, (e >>> 16) & 0xff) ^ at(t0, e >>> 24); // prettier-ignore
  }
  for (i += blocks * 4; i < end; i++) c = at(t0, (c ^ (bytes[i] as number)) & 0xff) ^ (c >>> 8);
  return ~c >>> 0;
}

/** The CRC32C of A followed by B, from both CRCs and B's length in bytes (after zlib's crc32_combine). */
export function combineCrc32c(crcA: number, crcB: number, lengthB: number): number {
  return (shift(crcA, lengthB) ^ crcB) >>> 0;
}

/** Eight lower-case hex digits, as ETags of the embedded store and `crc32c:` checksums have them. */
export function hex32(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

/** The CRC register after `length` zero bytes: x^(8·length) · crc in GF(2), modulo the polynomial. */
function shift(crc: number, length: number): number {
  let power = ONE_BYTE;
  let result = crc;
  for (let n = length; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) result = multiply(power, result);
    power = multiply(power, power);
  }
  return result;
}

/** a · b modulo the polynomial, both with their bits reversed: the highest bit is x^0. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let mask = 0x80000000; mask !== 0; mask >>>= 1) {
    if (a & mask) product ^= shifted;
    shifted = shifted & 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

const ONE_BYTE = 0x80000000 >>> 8; // x^8
