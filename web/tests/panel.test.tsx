// @vitest-environment happy-dom
import { act, cleanup, render, screen } from '@testing-library/react';
import { Profiler } from 'react';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { uploads } from '../src/app';
import { BatchSummary } from '../src/components/progress/BatchSummary';
import { PhotoRowView } from '../src/components/progress/PhotoRowView';
import type { Action } from '../src/stores/reduce';

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
  dispatch(told({ status: 'FAILED', errorCode: 'damaged-image', message: 'The photo is damaged.' }));
  expect(screen.getByText('The photo is damaged.')).toBeTruthy();
  expect(screen.getByRole('button', { name: 'Retry ph_0.jpg' })).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Cancel ph_0.jpg' })).toBeNull();
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
