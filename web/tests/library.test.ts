import { describe, expect, it, onTestFinished } from 'vitest';
import { keptOnScreen } from '../src/lib/keptOnScreen';
import { bytesText, durationText } from '../src/lib/format';
import { describe as factsOf, takenText } from '../src/lib/photos/describe';
import { speak } from '../src/texts';
import type { Photo, Summary } from '../src/types/wire';

function summary(n: number): Summary {
  const createdAt = new Date(Date.UTC(2026, 0, 1) + n * 1_000).toISOString();
  return {
    photoId: `ph_${String(n).padStart(4, '0')}`,
    jobId: 'job_1',
    filename: `${n}.jpg`,
    bytes: 1,
    status: 'COMPLETED',
    mimeType: 'image/jpeg',
    createdAt,
    day: createdAt.slice(0, 10),
  };
}

describe('words', () => {
  it('tell sizes and times as people do', () => {
    expect([0, 999, 1_000, 9_950_000, 123_456_789, 3e12].map(bytesText)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '10.0 MB',
      '123 MB',
      '3.0 TB',
    ]);
    expect([0.2, 59, 60, 61, 7_200, 7_260].map(durationText)).toEqual([
      '1 s',
      '59 s',
      '1 min',
      '2 min',
      '2 h',
      '2 h 1 min',
    ]);
  });

  it('tell the time as the camera’s clock showed it, and claim no zone that was not recorded', () => {
    expect(takenText('2008-10-22T16:52:15')).toMatch(/2008.*16:52:15, zone not recorded$/);
    expect(takenText('2008-10-22T16:52:15.250+02:00')).toMatch(/16:52:15 UTC\+02:00$/);
    expect(takenText('2008-10-22T16:52:15+00:00')).toMatch(/16:52:15 UTC$/);
    expect(takenText(null)).toBeNull();
  });

  it('tell what a camera recorded, and nothing else', () => {
    const exif = {
      make: 'NIKON CORPORATION',
      model: 'NIKON D90',
      exposureTime: 0.004,
      fNumber: 5.6,
      iso: 200,
      latitude: -33.5,
      longitude: 151.25,
      altitude: 12.4,
    };
    const photo: Photo = { ...summary(1), width: 4_000, height: 3_000, exifJson: JSON.stringify(exif) };
    const facts = Object.fromEntries(factsOf(photo).map(({ name, value }) => [name, value]));
    expect(facts).toMatchObject({
      Camera: 'NIKON D90',
      Exposure: '1/250 s · f/5.6 · ISO 200',
      Place: '33.50000° S, 151.25000° E · 12 m',
      Dimensions: '4000 × 3000 · 12.0 MP',
    });
    expect(Object.keys(facts)).not.toContain('Lens');
    expect(facts.Taken).toBe('Not recorded: stands by its arrival');
  });

  it('tell no figure that says nothing', () => {
    const said = (exif: object, width = 240, height = 160) => {
      const photo: Photo = { ...summary(1), width, height, exifJson: JSON.stringify(exif) };
      return factsOf(photo).flatMap(({ name, value }) => (/Dim|Exp|Place/.test(name) ? [value] : []));
    };
    expect(said({})).toEqual(['240 × 160']);
    expect(said({}, 250, 200)).toEqual(['250 × 200 · 0.1 MP']);
    expect(said({ fNumber: 2.8, exposureBias: -0.02, focalLength: 0.01 })).toEqual(['f/2.8', '240 × 160']);
    expect(said({ latitude: 1, longitude: 2, altitude: -0.3 })).toContain('1.00000° N, 2.00000° E · 0 m');
    onTestFinished(() => {
      speak('en');
    });
    speak('de');
    const photo: Photo = { ...summary(1), width: 6_000, height: 4_000, exifJson: '{"fNumber":5.6,"exposureTime":2.5}' };
    const values = factsOf(photo).map(({ value }) => value);
    expect(values).toEqual(expect.arrayContaining(['2,5 s · f/5,6', '6000 × 4000 · 24,0 MP']));
  });
});

describe('keptOnScreen', () => {
  const view = { right: 1_000, bottom: 800 };

  it('moves a box back into the window, by no more than needed', () => {
    const box = { width: 400, height: 500 };
    expect(keptOnScreen({ right: 50, bottom: 60 }, box, view)).toEqual({ right: 50, bottom: 60 });
    expect(keptOnScreen({ right: -300, bottom: 5_000 }, box, view)).toEqual({ right: 12, bottom: 288 });
  });

  it('shows the beginning of a box that is too large', () => {
    expect(keptOnScreen({ right: 0, bottom: 0 }, { width: 2_000, height: 2_000 }, view)).toEqual({
      right: 12,
      bottom: 12,
    });
  });
});
