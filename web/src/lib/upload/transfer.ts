import type { Item } from '../../types/wire';
import { ApiError } from '../api/errors';
import { hex32 } from './crc32c';
import { Line, type TransferPorts, type TransferReport } from './line';
import { MultipartTransfer } from './multipartTransfer';

/**
 * Send a photo's bytes, `inParts` or whole as the server planned it, and finalize it. `item` is the server's answer to
 * its declaration, where still at hand.
 */
export async function transfer(
  photoId: string,
  file: File,
  item: Item | null,
  inParts: boolean,
  ports: TransferPorts,
  report: TransferReport,
  signal: AbortSignal,
): Promise<void> {
  report.phase('waiting');
  const line = new Line(ports, report, signal);
  if (inParts) {
    await new MultipartTransfer(photoId, file, item?.multipart ?? null, line).run();
  } else {
    await sendWhole(photoId, file, item, line);
  }
}

async function sendWhole(photoId: string, file: File, item: Item | null, line: Line): Promise<void> {
  const { api } = line.ports;
  let known = item?.presignedUrl ? { url: item.presignedUrl, headers: item.headers } : null;
  const url = async (renew: boolean) => {
    if (known && !renew) return known;
    const urls = await api.urls(photoId, undefined, line.signal);
    if (!urls.presignedUrl) throw new Error('The server gave no URL to send this file to. Retry the photo.');
    known = { url: urls.presignedUrl, headers: urls.headers };
    return known;
  };
  let crc: number;
  try {
    ({ crc } = await line.send(file, url, line.report.bytes, () => Promise.resolve(null)));
  } catch (error) {
    // An earlier attempt arrived although its answer did not.
    if (!(error instanceof ApiError && error.code === 'already-stored')) throw error;
    crc = await line.ports.checksum(file);
  }
  line.report.bytes(file.size);
  line.report.phase('finishing');
  await line.ask(() => api.finalize(photoId, { checksum: `crc32c:${hex32(crc)}` }, line.signal));
}
