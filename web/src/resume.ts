/** Joins resuming to the page, for as long as somebody is signed in. */
import { checksum, currentEngine, records, uploadApi, uploads } from './app';
import { apiOrigin } from './config';
import { ApiError, NetworkError, sentenceOf } from './lib/api/errors';
import { isAbort } from './lib/upload/backoff';
import { OtherTabs } from './lib/upload/keeping/others';
import { Resumption } from './lib/upload/keeping/resumption';
import { probeOf } from './lib/upload/probe';
import { pathOf } from './lib/upload/source';
import { notify } from './stores/noticeStore';
import { resumeStore } from './stores/resumeStore';
import { awaitsBytes } from './stores/rows';
import { say } from './texts';

const LOOK_EVERY_MS = 5_000;
const LOOK_SOON_MS = 300;

let current: Resumption | null = null;

/** How files are added: what was begun goes on, the rest is declared. */
export function resumption(): Resumption {
  if (!current) throw new Error('Nobody is signed in.');
  return current;
}

/** Find out what may be gone on with, again and again; ends with the function that it gives. */
export function startResuming(userId: string): () => void {
  const others = new OtherTabs(`safelight sending ${apiOrigin()} ${userId}`, function* () {
    for (const row of uploads.getState().photos.values()) if (row.held && awaitsBytes(row)) yield row.photoId;
  });
  const ask = <T>(work: () => Promise<T>) => currentEngine().ask(work);
  const resuming = new Resumption({
    api: {
      activeJobs: (cursor) => ask(() => uploadApi.activeJobs(cursor)),
      snapshot: (jobId) => ask(() => uploadApi.snapshot(jobId)),
      finalize: (photoId, body) => ask(() => uploadApi.finalize(photoId, body)),
      cancelPhoto: (photoId) => ask(() => uploadApi.cancelPhoto(photoId)),
    },
    engine: currentEngine,
    records,
    others,
    probe: probeOf,
    checksum,
    waiting: function* () {
      for (const row of uploads.getState().photos.values())
        if (!row.held && awaitsBytes(row) && row.phase === null) yield row;
    },
    onSnapshot: (snapshot) => {
      uploads.dispatch({ type: 'snapshot', snapshot });
    },
    onPassedOver: (count) => {
      notify(say('resume.passedOver', { count }), 'info');
    },
    onChanged: ([first, ...more], cancelled) => {
      if (!first) return;
      const given = { count: more.length + 1, path: pathOf(first) };
      notify(say(cancelled ? 'resume.changedGivenUp' : 'resume.changed', given), 'info');
    },
  });
  current = resuming;
  resuming.tidy().catch(passOver);

  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    try {
      const offer = await resuming.look();
      if (current === resuming) resumeStore.setState({ offer });
    } finally {
      looking = false;
    }
  };
  let soon: ReturnType<typeof setTimeout> | undefined;
  const unsubscribe = uploads.subscribe((now, before) => {
    if (now.membership === before.membership) return;
    soon ??= setTimeout(() => {
      soon = undefined;
      void look();
    }, LOOK_SOON_MS);
  });
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    clearTimeout(soon);
    unsubscribe();
    others.close();
    if (current === resuming) current = null;
    resumeStore.setState({ offer: null, opening: null });
  };
}

/** Go on with all whose files this browser can open; to be called on a click. */
export async function resumeReady(): Promise<void> {
  const ready = resumeStore.getState().offer?.ready ?? [];
  if (ready.length === 0) return;
  resumeStore.setState({ offer: null, opening: 0 });
  try {
    const { refused, gone } = await resumption().resume(ready, (opening) => {
      resumeStore.setState({ opening });
    });
    for (const name of refused) notify(say('resume.refused', { name }));
    if (gone[0] !== undefined) notify(say('resume.gone', { count: gone.length, path: gone[0] }));
  } catch (error) {
    if (!isAbort(error)) notify(sentenceOf(error));
  } finally {
    resumeStore.setState({ opening: null });
  }
}

/** What is not tidied now is at the next sign-in. */
function passOver(error: unknown): void {
  if (!(error instanceof NetworkError || error instanceof ApiError)) throw error;
}
