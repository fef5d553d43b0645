import { afterEach, beforeEach, expect, it } from 'vitest';
import { ApiError, NetworkError } from '../src/lib/api/errors';
import { Place, type Told } from '../src/lib/websocket/place';
import { Poller } from '../src/lib/websocket/poll';
import type { EventsSince, Job, LiveEvent, Snapshot } from '../src/types/wire';
import { until, wake } from './stompServer';

const event = (jobId: string, seq: number) => ({ jobId, photoId: 'ph_1', status: 'PROCESSING', seq }) as LiveEvent;
const job = (jobId: string, seq: number) => ({ jobId, seq, status: 'IN_PROGRESS', updatedAt: '' }) as Job;

let wanted: Map<string, { place: Place }>;
let listed: Job[];
let asked: string[];
let told: [string, Told][];
let refused: string[];
let works: boolean[];
let answer: (jobId: string, after: number) => EventsSince;
let poller: Poller;

beforeEach(() => {
  wanted = new Map();
  listed = [];
  asked = [];
  told = [];
  refused = [];
  works = [];
  answer = (_, after) => ({ events: [], seq: after });
  poller = new Poller({
    history: {
      events: async (jobId, after, waitSeconds, signal) => {
        asked.push(`${jobId} after ${after}${waitSeconds ? ', waiting' : ''}`);
        wake();
        if (waitSeconds > 0)
          await new Promise((_, reject) => {
            signal.addEventListener('abort', reject);
          });
        return answer(jobId, after);
      },
      snapshot: (jobId) => {
        const photo = { photoId: 'ph_1', bytes: 9, status: 'FAILED', errorCode: 'empty-file', errorMessage: 'Empty.' };
        return Promise.resolve({ jobId, seq: 40, status: 'FAILED', updatedAt: 'now', photos: [photo] } as Snapshot);
      },
    },
    activeJobs: () => {
      wake();
      return Promise.resolve({ items: listed });
    },
    wanted,
    onTold: (jobId, news) => {
      told.push([jobId, news]);
      wanted.get(jobId)?.place.take(news);
      wake();
    },
    onJob: () => undefined,
    onRefused: (jobId) => {
      refused.push(jobId);
      wanted.delete(jobId);
      wake();
    },
    onWorks: (now) => {
      works.push(now);
      wake();
    },
  });
});

afterEach(() => {
  poller.stop();
});

const want = (jobId: string, seq: number) => wanted.set(jobId, { place: new Place(seq) });

it('asks of several jobs only those with news, and those that are listed no longer', async () => {
  for (const jobId of ['job_1', 'job_2', 'job_3']) want(jobId, 5);
  listed = [job('job_1', 5), job('job_2', 6)];
  answer = (jobId, after) => ({ events: [event(jobId, after + 1)], seq: after + 1 });
  poller.start();
  await until(() => told.length === 2);
  expect(asked).toEqual(['job_2 after 5', 'job_3 after 5']);
  expect(works).toEqual([true]);
});

it('waits for the news of a single job, and begins anew when another is wanted', async () => {
  want('job_1', 5);
  listed = [job('job_1', 5)];
  poller.start();
  await until(() => asked.length === 1);
  expect(asked).toEqual(['job_1 after 5, waiting']);
  want('job_2', 0);
  poller.hurry();
  await until(() => asked.length === 2);
  expect(asked[1]).toBe('job_2 after 0');
});

it('takes the whole present state where the past is gone', async () => {
  want('job_1', 5);
  listed = [job('job_1', 40)];
  answer = () => ({ events: [], seq: 40, reset: true });
  poller.start();
  await until(() => told.length === 1);
  const [photo, status] = told[0]?.[1].events ?? [];
  expect(told[0]?.[1].recovered).toBe('snapshot');
  expect(photo).toMatchObject({ photoId: 'ph_1', status: 'FAILED', errorCode: 'empty-file', message: 'Empty.' });
  expect(status).toMatchObject({ jobId: 'job_1', status: 'FAILED', seq: 40 });
  expect(wanted.get('job_1')?.place.seq).toBe(40);
});

it('lets go of a job that is gone', async () => {
  want('job_1', 5);
  answer = () => {
    throw new ApiError(404, 'not-found', 'Gone.');
  };
  poller.start();
  await until(() => refused.length === 1);
  expect(refused).toEqual(['job_1']);
});

it('says that the server cannot be asked, and asks on until it can', async () => {
  want('job_1', 5);
  listed = [job('job_1', 6)];
  answer = () => {
    throw new NetworkError('no answer');
  };
  poller.start();
  await until(() => works.includes(false));
  answer = (jobId, after) => ({ events: [event(jobId, after + 1)], seq: after + 1 });
  await until(() => told.length === 1);
  expect(works.at(-1)).toBe(true);
});
