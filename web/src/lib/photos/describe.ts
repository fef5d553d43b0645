import type { Photo, Summary } from '../../types/wire';
import { numberText, say } from '../../texts';
import { bytesText, dateText } from '../format';

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
    fact(say('fact.taken'), takenText(photo.takenAt) ?? say('taken.unknown')),
    fact(say('fact.camera'), cameraText(exif)),
    fact(say('fact.lens'), textOf(exif.lensModel ?? exif.lens)),
    fact(say('fact.exposure'), exposureText(exif)),
    fact(say('fact.flash'), exif.flash === true ? say('flash.fired') : exif.flash === false ? say('flash.not') : null),
    place(exif),
    fact(say('fact.dimensions'), sizeText(photo)),
    fact(say('fact.file'), `${bytesText(photo.bytes)} · ${photo.mimeType}`),
    fact(say('fact.checksum'), photo.checksum ?? null),
    fact(say('fact.folder'), folderOf(photo.relativePath)),
    fact(say('fact.added'), momentText(photo.createdAt)),
    fact(say('fact.gone'), photo.goneAt ? momentText(photo.goneAt) : null),
  ];
  return facts.filter((one) => one !== null);
}

/** What a picture is called for those who do not see it: its name, and when it was taken. Nobody knows what it shows. */
export function altText({ filename, takenAt }: Summary): string {
  const day = /^\d{4}-\d\d-\d\d/.exec(takenAt ?? '')?.[0];
  if (day === undefined) return filename;
  const date = dateText(new Date(`${day}T00:00:00Z`), { dateStyle: 'long', timeZone: 'UTC' });
  return say('photo.alt', { name: filename, date });
}

function fact(name: string, value: string | null): Fact | null {
  return value === null ? null : { name, value };
}

function momentText(moment: string): string {
  return dateText(new Date(moment), { dateStyle: 'medium', timeStyle: 'medium' });
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
  const written = {
    date: dateText(date, { dateStyle: 'long', timeZone: 'UTC' }),
    time: `${hour}:${minute}:${second}`,
  };
  if (!zone) return say('taken.noZone', written);
  return say('taken.zone', { ...written, zone: zone === 'Z' || zone === '+00:00' ? '' : zone });
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
  const aperture = tenths(exif.fNumber);
  const iso = numberOf(exif.iso);
  const focal = tenths(exif.focalLength);
  const bias = tenths(exif.exposureBias);
  const parts = [
    seconds && (seconds < 0.3 ? `1/${Math.round(1 / seconds)} s` : `${tenthsText(seconds)} s`),
    aperture && `f/${tenthsText(aperture)}`,
    iso && `ISO ${iso}`,
    focal && `${tenthsText(focal)} mm`,
    bias && `${bias > 0 ? '+' : '−'}${tenthsText(Math.abs(bias))} EV`,
  ].filter(Boolean);
  return parts.length ? parts.join(' · ') : null;
}

/** A number rounded to tenths: what is as good as nothing is 0. */
function tenths(value: unknown): number | null {
  const number = numberOf(value);
  return number === null ? null : Math.round(number * 10) / 10;
}

function tenthsText(value: number): string {
  return numberText(value, Number(value.toFixed(1)) % 1 ? 1 : 0);
}

function place(exif: Exif): Fact | null {
  const latitude = numberOf(exif.latitude);
  const longitude = numberOf(exif.longitude);
  if (latitude === null || longitude === null) return null;
  const altitude = numberOf(exif.altitude);
  const where = say('place', {
    latitude: numberText(Math.abs(latitude), 5),
    northSouth: say(latitude < 0 ? 'place.south' : 'place.north'),
    longitude: numberText(Math.abs(longitude), 5),
    eastWest: say(longitude < 0 ? 'place.west' : 'place.east'),
  });
  const value = altitude === null ? where : `${where} · ${numberText(altitude)} m`;
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=14/${latitude}/${longitude}`;
  return { name: say('fact.place'), value, href };
}

function sizeText({ width, height }: Photo): string | null {
  if (!width || !height) return null;
  const megapixels = tenths((width * height) / 1e6);
  return `${width} × ${height}${megapixels ? ` · ${numberText(megapixels, 1)} MP` : ''}`;
}

function folderOf(path: string | null | undefined): string | null {
  const end = path?.lastIndexOf('/') ?? -1;
  return path && end > 0 ? path.slice(0, end) : null;
}
