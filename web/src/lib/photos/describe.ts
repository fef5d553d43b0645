import type { Photo } from '../../types/wire';
import { bytesText } from '../format';

export interface Fact {
  name: string;
  value: string;
  /** Where the value leads. */
  href?: string;
}

interface Exif {
  make?: unknown;
  model?: unknown;
  [name: string]: unknown;
}

/** What is known of a photo, in words, in the order in which people ask. */
export function describe(photo: Photo): Fact[] {
  const exif = parse(photo.exifJson);
  const facts: (Fact | null)[] = [
    fact('Taken', takenText(photo.takenAt)),
    fact('Camera', cameraText(exif)),
    fact('Lens', textOf(exif.lensModel ?? exif.lens)),
    fact('Exposure', exposureText(exif)),
    fact('Flash', exif.flash === true ? 'Fired' : exif.flash === false ? 'Did not fire' : null),
    place(exif),
    fact('Dimensions', sizeText(photo)),
    fact('File', `${bytesText(photo.bytes)} · ${photo.mimeType}`),
    fact('Checksum', photo.checksum ?? null),
    fact('Folder', folderOf(photo.relativePath)),
    fact('Added', new Date(photo.createdAt).toLocaleString()),
  ];
  return facts.filter((one) => one !== null);
}

function fact(name: string, value: string | null): Fact | null {
  return value === null ? null : { name, value };
}

function parse(json: string | null | undefined): Exif {
  if (!json) return {};
  const parsed: unknown = JSON.parse(json);
  return typeof parsed === 'object' && parsed !== null ? (parsed as Exif) : {};
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value.trim() ? value.trim() : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The time as the camera's clock showed it, with its zone where it is known, and without one where it is not. */
export function takenText(takenAt: string | null | undefined): string | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$/.exec(takenAt ?? '');
  if (!match) return null;
  const [, year, month, day, hour, minute, second, zone] = match.map((group: string | undefined) => group ?? '');
  const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
  const written = date.toLocaleDateString(undefined, { dateStyle: 'long', timeZone: 'UTC' });
  const zoneText = !zone ? ', zone not recorded' : zone === 'Z' || zone === '+00:00' ? ' UTC' : ` UTC${zone}`;
  return `${written}, ${hour}:${minute}:${second}${zoneText}`;
}

function cameraText({ make, model }: Exif): string | null {
  const maker = textOf(make);
  const name = textOf(model);
  if (!maker || !name) return name ?? maker;
  const brand = maker.split(' ')[0] ?? maker;
  return name.toLowerCase().startsWith(brand.toLowerCase()) ? name : `${maker} ${name}`;
}

function exposureText(exif: Exif): string | null {
  const seconds = numberOf(exif.exposureTime);
  const aperture = numberOf(exif.fNumber);
  const iso = numberOf(exif.iso);
  const focal = numberOf(exif.focalLength);
  const bias = numberOf(exif.exposureBias);
  const parts = [
    seconds && (seconds < 0.3 ? `1/${Math.round(1 / seconds)} s` : `${Number(seconds.toFixed(1))} s`),
    aperture && `f/${Number(aperture.toFixed(1))}`,
    iso && `ISO ${iso}`,
    focal && `${Number(focal.toFixed(1))} mm`,
    bias && `${bias > 0 ? '+' : '−'}${Number(Math.abs(bias).toFixed(1))} EV`,
  ].filter(Boolean);
  return parts.length ? parts.join(' · ') : null;
}

function place(exif: Exif): Fact | null {
  const latitude = numberOf(exif.latitude);
  const longitude = numberOf(exif.longitude);
  if (latitude === null || longitude === null) return null;
  const altitude = numberOf(exif.altitude);
  const value =
    `${Math.abs(latitude).toFixed(5)}° ${latitude < 0 ? 'S' : 'N'}, ` +
    `${Math.abs(longitude).toFixed(5)}° ${longitude < 0 ? 'W' : 'E'}` +
    (altitude === null ? '' : ` · ${Math.round(altitude)} m`);
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=14/${latitude}/${longitude}`;
  return { name: 'Place', value, href };
}

function sizeText({ width, height }: Photo): string | null {
  if (!width || !height) return null;
  return `${width} × ${height} · ${((width * height) / 1e6).toFixed(1)} MP`;
}

function folderOf(path: string | null | undefined): string | null {
  const end = path?.lastIndexOf('/') ?? -1;
  return path && end > 0 ? path.slice(0, end) : null;
}
