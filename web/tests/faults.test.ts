import { describe, expect, it, onTestFinished } from 'vitest';
import { ApiError, HeldBack, NetworkError, Stalled } from '../src/lib/api/errors';
import { refusalOf } from '../src/lib/s3/refusal';
import { failureOf, type Fault, FAULTS, faultOf, Stopped, wordsOf } from '../src/lib/upload/faults';
import { freshUntil } from '../src/lib/upload/freshness';
import { unreadable } from '../src/lib/upload/original';
import { speak } from '../src/texts';

const answer = (status: number, code = `http-${status}`) => new ApiError(status, code, `Says ${code}.`);
const s3 = (status: number, code: string) => refusalOf(status, `<Error><Code>${code}</Code></Error>`, null);

describe('faults', () => {
  it.each<[Error, Fault]>([
    [new NetworkError('cut off'), 'offline'],
    [new HeldBack('may be away'), 'offline'],
    [new Stalled('no byte for 30 s'), 'stalled'],
    [answer(401), 'signed-out'],
    [answer(403, 'signature-expired'), 'expired'],
    [s3(403, 'AccessDenied'), 'expired'],
    [answer(429, 'server-busy'), 'throttled'],
    [s3(503, 'SlowDown'), 'throttled'],
    [answer(500), 'server-fault'],
    [s3(400, 'RequestTimeout'), 'server-fault'],
    [answer(502), 'unavailable'],
    [answer(503), 'unavailable'],
    [answer(504), 'unavailable'],
    [answer(507, 'storage-full'), 'quota'],
    [s3(403, 'QuotaExceeded'), 'quota'],
    [answer(413, 'file-too-large'), 'refused'],
    [answer(415, 'unsupported-type'), 'refused'],
    [s3(400, 'NoSuchUpload'), 'refused'],
    [unreadable(new DOMException('gone', 'NotFoundError')), 'vanished'],
    [unreadable(new DOMException('other', 'NotReadableError')), 'changed'],
    [new Stopped('corrupted'), 'corrupted'],
    [new Stopped('cut-off'), 'cut-off'],
  ])('classifies %o', (error, fault) => {
    expect(faultOf(error)).toBe(fault);
  });

  it('knows what is none of these', () => {
    expect(faultOf(new TypeError('a defect'))).toBeNull();
    expect(failureOf(new TypeError('a defect'))).toEqual({ code: 'upload-stopped', message: 'a defect' });
  });

  it('has words for each that say what to do, and lets the server’s own go before', () => {
    for (const fault of Object.keys(FAULTS) as Fault[]) expect(wordsOf(fault)).toMatch(/\. .+\.$|: .+\.$/);
    expect(failureOf(new Stopped('vanished'))).toEqual({ code: 'upload-vanished', message: wordsOf('vanished') });
    expect(failureOf(answer(413, 'file-too-large'))).toEqual({
      code: 'file-too-large',
      message: 'Says file-too-large.',
    });
  });

  it('says what the page itself finds in its language, and what the store found in the store’s', () => {
    onTestFinished(() => {
      speak('en');
    });
    const told = () => [
      s3(400, 'NoSuchUpload').message,
      s3(400, 'Odd').message,
      refusalOf(400, '<Error><Code>Odd</Code><Message>Too odd.</Message></Error>', null).message,
      refusalOf(502, '<html>', null).message,
    ];
    expect(told()).toEqual([
      'This upload has ended: it was cancelled, has expired, or its parts are gone. Retry the photo.',
      'The store refuses this file with 400 (Odd).',
      'The store refuses this file: Too odd. (Odd)',
      'The server answered 502 without saying why. Try again.',
    ]);
    speak('de');
    expect(told()).toEqual([
      'Dieses Hochladen ist beendet: abgebrochen, abgelaufen, oder seine Teile sind weg. Das Foto wiederholen.',
      'Der Speicher lehnt diese Datei mit 400 ab (Odd).',
      'Der Speicher lehnt diese Datei ab: Too odd. (Odd)',
      'Der Server hat mit 502 geantwortet und nicht gesagt, warum. Erneut versuchen.',
    ]);
  });

  it('says what a row shows exactly for those that are waited out', () => {
    for (const { recovery, waiting } of Object.values(FAULTS))
      expect(waiting !== null).toBe(['reconnect', 'wait', 'again', 'sign-in'].includes(recovery));
  });
});

describe('freshUntil', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const inSeconds = (seconds: number) => `http://a/storage/x?size=1&expires=${now / 1_000 + seconds}&signature=s`;

  it('is a minute before the URL says that it expires', () => {
    expect(freshUntil(inSeconds(3_600), now)).toBe(now + 3_540_000);
    expect(freshUntil('https://s3/x?X-Amz-Date=20200101T000000Z&X-Amz-Expires=900&X-Amz-Signature=s', now)).toBe(
      now + 840_000,
    );
  });

  it('is never where the URL says nothing, or has expired already by a clock that is wrong', () => {
    expect(freshUntil('http://a/storage/x', now)).toBe(Infinity);
    expect(freshUntil(inSeconds(-10), now)).toBe(Infinity);
  });
});
