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
import { UploadEngine } from './lib/upload/engine';
import { Scheduler } from './lib/upload/scheduler';
import type { Sent } from './lib/websocket/outbox';
import { connectionStore } from './stores/connectionStore';
import { settingsStore } from './stores/settingsStore';
import { createUploadStore } from './stores/uploadStore';
import { bestLanguage, speak } from './texts';

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

const chooseLanguage = () => {
  const { language } = settingsStore.getState();
  const chosen = language === 'system' ? bestLanguage(navigator.languages) : language;
  document.documentElement.lang = chosen;
  speak(chosen);
};
chooseLanguage();
settingsStore.subscribe(chooseLanguage);
window.addEventListener('languagechange', chooseLanguage);

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
  scheduler.limit = usefulLimit(settingsStore.getState().limit, target, origin, protocolOf(origin), taken);
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
    checksum: checksumInWorkers(CHECKSUM_WORKERS),
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
    report: {
      declared: ({ jobId, items, files }) => {
        const described = files.map(({ file, relativePath }) => ({
          filename: file.name,
          relativePath,
          bytes: file.size,
        }));
        uploads.dispatch({ type: 'declared', jobId, items, files: described });
        items.forEach(({ photoId }, index) => {
          const source = files[index];
          if (source) previews.keep(photoId, source.file);
        });
      },
      phase: (photoId, phase, failure) => {
        uploads.dispatch({ type: 'phase', photoId, phase, failure });
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
