/** The one place that makes the page's parts and joins them. */
import { apiOrigin } from './config';
import { AdminApi } from './lib/api/admin';
import { Auth } from './lib/api/auth';
import { ApiClient, serverAnswers } from './lib/api/client';
import { PhotosApi } from './lib/api/photos';
import { UploadApi } from './lib/api/upload';
import { Previews } from './lib/preview/previews';
import { putOverXhr } from './lib/s3/multipart';
import { checksumInWorkers } from './lib/upload/checksum';
import { protocolOf, usefulLimit } from './lib/upload/connections';
import { Connectivity } from './lib/upload/connectivity';
import { contentHashInWorker } from './lib/upload/contentHash';
import { UploadEngine } from './lib/upload/engine';
import { keepDeclared } from './lib/upload/keeping/keep';
import { Records } from './lib/upload/keeping/records';
import { recogniser } from './lib/upload/known';
import { probeOf } from './lib/upload/probe';
import { Scheduler } from './lib/upload/scheduler';
import type { Sent } from './lib/websocket/outbox';
import { connectionStore } from './stores/connectionStore';
import { notify } from './stores/noticeStore';
import { settingsStore } from './stores/settingsStore';
import { createUploadStore } from './stores/uploadStore';
import { bestLanguage, say, speak } from './texts';

const CHECKSUM_WORKERS = 2;
const origin = apiOrigin();

export const auth = new Auth(localStorage);
const client = new ApiClient(auth);
export const uploadApi = new UploadApi(client);
export const photosApi = new PhotosApi(client);
export const adminApi = new AdminApi(client);
export const uploads = createUploadStore();
export const previews = new Previews(
  () => new Worker(new URL('./lib/preview/previewWorker.ts', import.meta.url), { type: 'module' }),
);

// Whoever signed in last: a sign-in that merely ended keeps its uploads.
let owner = auth.session?.userId;
auth.subscribe((session) => {
  owner = session?.userId ?? owner;
});
export const records = new Records(
  () => `safelight uploads ${origin} ${owner ?? ''}`,
  (reason) => {
    notify(say('resume.notKept', { reason }), 'info');
  },
);

const chooseLanguage = () => {
  const { language } = settingsStore.getState();
  const chosen = language === 'system' ? bestLanguage(navigator.languages) : language;
  document.documentElement.lang = chosen;
  speak(chosen);
};
chooseLanguage();
settingsStore.subscribe(chooseLanguage);
window.addEventListener('languagechange', chooseLanguage);

export const checksum = checksumInWorkers(CHECKSUM_WORKERS);
const scheduler = new Scheduler(settingsStore.getState().limit);
const connectivity = new Connectivity(() => serverAnswers(), window);
connectivity.subscribe((reachable) => {
  connectionStore.setState({ reachable });
});

let target = origin;
const adjustLimit = () => {
  const { live, over } = connectionStore.getState();
  // A WebSocket is not among the connections that a browser counts; whatever stands in for it is.
  const taken = live === 'polling' || (over !== null && over !== 'websocket') ? 1 : 0;
  scheduler.bandwidth = settingsStore.getState().bandwidth;
  scheduler.ceiling = usefulLimit(settingsStore.getState().limit, target, origin, protocolOf(origin), taken);
  engine.pump();
};

let onSent: ((sent: Sent) => void) | null = null;

/** Be told what this page sends to a store that is not the server's own: of that the server knows nothing by itself. */
export function toldOfBytes(listener: ((sent: Sent) => void) | null): void {
  onSent = listener;
}

function tellElsewhere(photoId: string, bytesSent: number): void {
  const bytesTotal = uploads.getState().photos.get(photoId)?.bytes;
  if (bytesTotal === undefined || new URL(target, origin).origin === origin) return;
  onSent?.({ photoId, bytesSent: Math.min(bytesSent, bytesTotal), bytesTotal });
}

function createEngine(): UploadEngine {
  return new UploadEngine({
    api: uploadApi,
    put: putOverXhr,
    checksum,
    scheduler,
    connectivity,
    signedIn: (signal) => auth.signedIn(signal),
    onBusy: (ms) => {
      connectionStore.setState(({ busyUntil }) => ({ busyUntil: Math.max(busyUntil, Date.now() + ms) }));
    },
    onTarget: (url) => {
      target = url;
      adjustLimit();
    },
    recognise: recogniser({ api: uploadApi, probe: probeOf, contentHash: contentHashInWorker() }),
    report: {
      declared: (declared) => {
        const { jobId, items, described } = declared;
        void keepDeclared(declared, records, probeOf);
        const files = described.map(({ filename, relativePath = null, bytes }) => ({ filename, relativePath, bytes }));
        uploads.dispatch({ type: 'declared', jobId, items, files });
        items.forEach(({ photoId }, index) => {
          const source = declared.files[index];
          if (source) previews.keep(photoId, source.file);
        });
      },
      phase: (photoId, phase, failure) => {
        uploads.dispatch({ type: 'phase', photoId, phase, failure });
        if (phase === null) records.forget([photoId]);
      },
      bytes: (photoId, sent) => {
        uploads.dispatch({ type: 'bytes', photoId, sent });
        tellElsewhere(photoId, sent);
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
scheduler.bandwidth = settingsStore.getState().bandwidth;
scheduler.subscribe((limit) => {
  engine.pump();
  // For whoever else listens on this page: the bench that plots it.
  window.dispatchEvent(new CustomEvent('safelight:concurrency', { detail: limit }));
});
settingsStore.subscribe(adjustLimit);
connectionStore.subscribe((now, before) => {
  if (now.live !== before.live || now.over !== before.over) adjustLimit();
});

/** The engine of whoever is signed in. */
export function currentEngine(): UploadEngine {
  return engine;
}

/** Somebody else is signed in, or nobody: stop all uploads and show none. */
export function startAnew(): void {
  engine.close();
  engine = createEngine();
  previews.clear();
  uploads.dispatch({ type: 'reset' });
  uploads.flush();
}
