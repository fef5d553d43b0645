import { say } from '../../texts';
import { ApiError } from '../api/errors';
import { hex32 } from './crc32c';
import { freshUntil } from './freshness';
import { Line, type Target, type TransferPorts, type TransferReport } from './line';
import { MultipartTransfer } from './multipartTransfer';
import { ensureUnchanged, type Original } from './original';
import type { Plan } from './plan';
import type { Lane } from './scheduler';

/**
 * Send a photo's bytes, `inParts` or whole as the server planned it, and finalize it. `plan` is the server's answer to
 * its declaration, where still at hand.
 */
export async function transfer(
  photoId: string,
  original: Original,
  plan: Plan | null,
  inParts: boolean,
  lane: Lane,
  ports: TransferPorts,
  report: TransferReport,
  signal: AbortSignal,
): Promise<void> {
  report.phase('waiting');
  const line = new Line(original, lane, ports, report, signal);
  if (inParts) {
    await new MultipartTransfer(photoId, plan, line).run();
  } else {
    await sendWhole(photoId, plan, line);
  }
}

async function sendWhole(photoId: string, plan: Plan | null, line: Line): Promise<void> {
  const { api } = line.ports;
  const { file, size } = line.original;
  // Of a file, unlike of a slice, Chromium asks the disk whenever its size is read or it is handed on.
  const whole = file.slice(0, size);
  const signed = (url: string, headers: Target['headers'], at: number) => ({
    url,
    headers,
    until: freshUntil(url, at),
  });
  let known = plan?.item.presignedUrl ? signed(plan.item.presignedUrl, plan.item.headers, plan.at) : null;
  const url = async (renew: boolean) => {
    if (known && !renew && Date.now() < known.until) return known;
    const urls = await api.urls(photoId, undefined, line.signal);
    if (!urls.presignedUrl) throw new Error(say('fault.no-address'));
    known = signed(urls.presignedUrl, urls.headers, Date.now());
    return known;
  };
  let crc: number;
  try {
    ({ crc } = await line.send(whole, url, line.report.bytes, () => Promise.resolve(null)));
  } catch (error) {
    // An earlier attempt arrived although its answer did not.
    if (!(error instanceof ApiError && error.code === 'already-stored')) throw error;
    await ensureUnchanged(line.original);
    crc = await line.ports.checksum(whole);
  }
  line.report.bytes(size);
  line.report.phase('finishing');
  await line.seal(photoId, { checksum: `crc32c:${hex32(crc)}` });
}
