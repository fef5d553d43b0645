import { inTurn } from '../inTurn';
import { findPreview, type Preview } from './find';
import type { PreviewAnswer, PreviewRequest } from './previews';

// Larger ones are drawn small here: what is shown should cost the page next to nothing.
const AS_IT_IS = 48 * 1024;
const EDGE = 132;

self.onmessage = inTurn(answer);

async function answer({ id, file }: PreviewRequest): Promise<PreviewAnswer> {
  try {
    const found = await findPreview(file);
    return { id, preview: found && { blob: await shown(found), orientation: found.orientation } };
  } catch (error) {
    // The file has gone, or the picture in it cannot be decoded. That it is unreadable is said where it is sent.
    return { id, preview: null, reason: String(error) };
  }
}

async function shown({ blob, plain, size }: Preview): Promise<Blob> {
  if (!plain && blob.size <= AS_IT_IS) return blob;
  const source = plain ? await pixels(blob, size) : blob;
  const scale = Math.min(1, EDGE / Math.min(size.width, size.height));
  const resized = { resizeWidth: Math.round(size.width * scale), resizeHeight: Math.round(size.height * scale) };
  const bitmap = await createImageBitmap(source, { imageOrientation: 'none', ...resized });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 });
}

async function pixels(blob: Blob, { width, height }: Preview['size']): Promise<ImageData> {
  const rgb = new Uint8Array(await blob.arrayBuffer());
  const data = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let colour = 0; colour < 3; colour++) data.data[pixel * 4 + colour] = rgb[pixel * 3 + colour] as number;
    data.data[pixel * 4 + 3] = 255;
  }
  return data;
}
