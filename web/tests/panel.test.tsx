// @vitest-environment happy-dom
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { act, cleanup, render, screen } from '@testing-library/react';
import { Profiler } from 'react';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { uploads } from '../src/app';
import { BatchSummary } from '../src/components/progress/BatchSummary';
import { PhotoRowView } from '../src/components/progress/PhotoRowView';
import { BatchActions } from '../src/components/progress/UploadActions';
import type { Action } from '../src/stores/reduce';
import { PERMANENT } from '../src/stores/rows';

const COUNT = 50;
const ids = Array.from({ length: COUNT }, (_, n) => `ph_${n}`);

function dispatch(...actions: Action[]): void {
  act(() => {
    for (const action of actions) uploads.dispatch(action);
    uploads.flush();
  });
}

beforeEach(() => {
  dispatch(
    { type: 'reset' },
    {
      type: 'declared',
      jobId: 'job_1',
      items: ids.map((photoId) => ({ photoId, method: 'PUT', presignedUrl: '/storage/x' })),
      files: ids.map((photoId) => ({ filename: `${photoId}.jpg`, relativePath: null, bytes: 1_000 })),
    },
  );
});

afterEach(cleanup);

it('renders a row for its own news alone', () => {
  const renders = new Map<string, number>();
  render(
    <>
      {ids.map((photoId) => (
        <Profiler key={photoId} id={photoId} onRender={(id) => renders.set(id, (renders.get(id) ?? 0) + 1)}>
          <PhotoRowView photoId={photoId} />
        </Profiler>
      ))}
    </>,
  );
  renders.clear();
  dispatch({ type: 'bytes', photoId: 'ph_7', sent: 500 });
  expect([...renders]).toEqual([['ph_7', 1]]);
});

it('says what happens to a photo and what went wrong, in the server’s words', () => {
  render(<PhotoRowView photoId="ph_0" />);
  const told = (more: object): Action => ({
    type: 'events',
    jobId: 'job_1',
    events: [
      {
        jobId: 'job_1',
        photoId: 'ph_0',
        status: 'PROCESSING',
        progressPercent: 85,
        bytesSent: 1_000,
        bytesTotal: 1_000,
        attempt: 1,
        timestamp: '',
        ...more,
      },
    ],
  });
  dispatch(told({ stage: 'THUMBNAILS' }));
  expect(screen.getByText('Making thumbnails')).toBeTruthy();
  expect(screen.getByRole('progressbar').getAttribute('aria-valuenow')).toBe('85');
  dispatch(told({ status: 'FAILED', errorCode: 'checksum-mismatch', message: 'The bytes differ. Retry the photo.' }));
  expect(screen.getByText('The bytes differ. Retry the photo.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Retry ph_0.jpg' })).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Cancel ph_0.jpg' })).toBeNull();
});

const failed = (photoId: string, errorCode: string, message: string) => ({
  jobId: 'job_1',
  photoId,
  status: 'FAILED' as const,
  progressPercent: 0,
  bytesSent: 0,
  bytesTotal: 1_000,
  attempt: 1,
  timestamp: '',
  errorCode,
  message,
});

it('offers a retry only where it can help, and says what to do where it cannot', () => {
  render(
    <>
      <PhotoRowView photoId="ph_0" />
      <PhotoRowView photoId="ph_1" />
      <BatchActions />
    </>,
  );
  const damaged = failed('ph_0', 'damaged-image', 'The photo is damaged. Copy it again from the camera.');
  dispatch({ type: 'events', jobId: 'job_1', events: [damaged] });
  expect(screen.getByText('The photo is damaged. Copy it again from the camera.')).toBeTruthy();
  expect(screen.queryByRole('button', { name: /^Retry/ })).toBeNull();
  const lost = failed('ph_1', 'object-missing', 'The stored bytes are gone. Retry the photo.');
  dispatch({ type: 'events', jobId: 'job_1', events: [lost] });
  const offered = screen.getAllByRole('button', { name: /^Retry/ });
  expect(offered.map((button) => button.getAttribute('aria-label') ?? button.textContent)).toEqual([
    'Retry ph_1.jpg',
    'Retry failed',
  ]);
});

it('retries what this page gave up, but not what the server would refuse for good', () => {
  render(<PhotoRowView photoId="ph_0" />);
  const gaveUp = (code: string): Action => ({
    type: 'phase',
    photoId: 'ph_0',
    phase: 'failed',
    failure: { code, message: 'It stopped.' },
  });
  dispatch(gaveUp('upload-stopped'));
  expect(screen.getByRole('button', { name: 'Retry ph_0.jpg' })).toBeTruthy();
  dispatch(gaveUp('file-too-large'));
  expect(screen.queryByRole('button', { name: 'Retry ph_0.jpg' })).toBeNull();
  expect(screen.getByRole('button', { name: 'Cancel ph_0.jpg' })).toBeTruthy();
});

it('knows the same permanent failures as the server', () => {
  const source = readFileSync(join(import.meta.dirname, '../../src/safelight/errors.py'), 'utf8');
  const kinds = source.split(/^class /m).filter((kind) => /^ {4}retryable = False$/m.test(kind));
  const codes = kinds.map((kind) => /code = "([\w-]+)"/.exec(kind)?.[1]);
  expect(codes.sort()).toEqual([...PERMANENT].sort());
});

it('sums up without counting what was cancelled', () => {
  render(<BatchSummary />);
  const ended = (photoId: string, status: 'COMPLETED' | 'CANCELLED') => ({
    jobId: 'job_1',
    photoId,
    status,
    progressPercent: status === 'COMPLETED' ? 100 : 0,
    bytesSent: 1_000,
    bytesTotal: 1_000,
    attempt: 1,
    timestamp: '',
  });
  dispatch({
    type: 'events',
    jobId: 'job_1',
    events: ids.map((photoId, index) => ended(photoId, index < 20 ? 'COMPLETED' : 'CANCELLED')),
  });
  expect(screen.getByText('20 of 20 photos in the library')).toBeTruthy();
  expect(screen.getByText('100 %')).toBeTruthy();
  expect(screen.getByText('30 cancelled')).toBeTruthy();
});
