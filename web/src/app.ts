/** The one place that makes the page's parts and joins them. */
import { API_URL, webSocketUrl } from './config';
import { Auth } from './lib/api/auth';
import { ApiClient, serverAnswers } from './lib/api/client';
import { PhotosApi } from './lib/api/photos';
import { UploadApi } from './lib/api/upload';
import { putOverXhr } from './lib/s3/multipart';
import { checksumInWorkers } from './lib/upload/checksum';
import { protocolOf, usefulLimit } from './lib/upload/connections';
import { Connectivity } from './lib/upload/connectivity';
import { UploadEngine } from './lib/upload/engine';
import { Scheduler } from './lib/upload/scheduler';
import { LiveClient } from './lib/websocket/client';
import { JobFollower } from './lib/websocket/follow';
import { connectionStore } from './stores/connectionStore';
import { settingsStore } from './stores/settingsStore';
import { jobEnded } from './stores/rows';
import { createUploadStore } from './stores/uploadStore';
import { isPhotoEvent } from './types/wire';

const CHECKSUM_WORKERS = 2;
const origin = API_URL ? new URL(API_URL).origin : window.location.origin;

export const auth = new Auth(localStorage);
const client = new ApiClient(auth);
export const uploadApi = new UploadApi(client);
export const photosApi = new PhotosApi(client);
export const uploads = createUploadStore();

const scheduler = new Scheduler(settingsStore.getState().limit);
const connectivity = new Connectivity(() => serverAnswers(), window);
connectivity.subscribe((reachable) => {
  connectionStore.setState({ reachable });
});

let target = origin;
const adjustLimit = () => {
  scheduler.limit = usefulLimit(settingsStore.getState().limit, target, origin, protocolOf(origin));
  engine.pump();
};

function createEngine(): UploadEngine {
  return new UploadEngine({
    api: uploadApi,
    put: putOverXhr,
    checksum: checksumInWorkers(CHECKSUM_WORKERS),
    scheduler,
    connectivity,
    signedIn: (signal) => auth.signedIn(signal),
    onTarget: (url) => {
      target = url;
      adjustLimit();
    },
    report: {
      declared: ({ jobId, items, files }) => {
        const described = files.map(({ file, relativePath }) => ({
          filename: file.name,
          relativePath,
          bytes: file.size,
        }));
        uploads.dispatch({ type: 'declared', jobId, items, files: described });
      },
      phase: (photoId, phase, failure) => {
        uploads.dispatch({ type: 'phase', photoId, phase, failure });
      },
      bytes: (photoId, sent) => {
        uploads.dispatch({ type: 'bytes', photoId, sent });
      },
      speed: (photoId, speed) => {
        uploads.dispatch({ type: 'speed', photoId, speed });
      },
      totalSpeed: (speed) => {
        uploads.dispatch({ type: 'totalSpeed', speed });
      },
      retried: (photoId, status) => {
        uploads.dispatch({ type: 'retried', photoId, status });
      },
    },
  });
}

let engine = createEngine();
settingsStore.subscribe(adjustLimit);

/** The engine of whoever is signed in. */
export function currentEngine(): UploadEngine {
  return engine;
}

/** Somebody else is signed in, or nobody: stop all uploads and show none. */
export function startAnew(): void {
  engine.close();
  engine = createEngine();
  uploads.dispatch({ type: 'reset' });
  uploads.flush();
}

export interface LibraryNews {
  /** A photo has become visible. */
  onCompleted: () => void;
  /** A job has ended, or the live channel was away: anything may have changed. */
  onEnded: () => void;
}

export interface Session {
  live: LiveClient;
  follower: JobFollower;
  stop: () => void;
}

/** The live channel and what follows from its news, for as long as somebody is signed in. */
export function followLive(news: LibraryNews): Session {
  let wasLive = false;
  const live = new LiveClient({
    url: webSocketUrl,
    token: () => auth.freshToken(),
    renew: () => auth.renew(),
    onState: (state) => {
      connectionStore.setState({ live: state });
      follower.liveChanged(state === 'live');
      if (state === 'live' && wasLive) news.onEnded();
      wasLive ||= state === 'live';
    },
    onJobs: (event) => {
      if (isPhotoEvent(event)) return;
      follower.jobTold(event);
      if (jobEnded(event.status)) news.onEnded();
    },
    onEvents: (jobId, events) => {
      uploads.dispatch({ type: 'events', jobId, events });
      for (const event of events) {
        if (!isPhotoEvent(event)) continue;
        engine.told(event.photoId, event.status, event.attempt);
        if (event.status === 'COMPLETED') news.onCompleted();
      }
    },
    onRefused: (jobId) => {
      follower.refused(jobId);
    },
  });
  const follower = new JobFollower({
    live,
    activeJobs: (cursor) => uploadApi.activeJobs(cursor),
    snapshot: (jobId) => uploadApi.snapshot(jobId),
    declaring: () => engine.declaring,
    known: function* () {
      const { jobs } = uploads.getState();
      for (const { jobId, status, seq, photoIds, gone } of jobs.values())
        yield { jobId, ended: jobEnded(status), seq, photos: photoIds.length + gone };
    },
    onJob: (event) => {
      uploads.dispatch({ type: 'job', event });
    },
    onSnapshot: (snapshot) => {
      const before = uploads.getState().photos;
      uploads.dispatch({ type: 'snapshot', snapshot });
      for (const photo of snapshot.photos) {
        engine.told(photo.photoId, photo.status as 'QUEUED', photo.attempt);
        if (photo.status === 'COMPLETED' && before.get(photo.photoId)?.status !== 'COMPLETED') news.onCompleted();
      }
      if (jobEnded(snapshot.status as 'QUEUED')) news.onEnded();
    },
    onPolling: (polling) => {
      connectionStore.setState({ polling });
    },
  });
  const unsubscribe = [
    uploads.subscribe((now, before) => {
      if (now.jobs !== before.jobs) follower.arrange();
    }),
    auth.subscribe((session) => {
      if (session) live.renewed(session.token);
    }),
  ];
  live.open();
  return {
    live,
    follower,
    stop: () => {
      for (const end of unsubscribe) end();
      follower.stop();
      live.close();
    },
  };
}
