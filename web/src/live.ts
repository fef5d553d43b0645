/** Joins the live channel to what follows from its news, for as long as somebody is signed in. */
import { auth, currentEngine, toldOfBytes, uploadApi, uploads } from './app';
import { apiOrigin, webSocketUrl } from './config';
import { serverAnswers } from './lib/api/client';
import { LiveClient } from './lib/websocket/client';
import { JobFollower } from './lib/websocket/follow';
import type { Blocks } from './lib/websocket/policy';
import { since } from './lib/websocket/recover';
import { SharedLive } from './lib/websocket/tabs';
import { FORCED, openSocket, rungsOf } from './lib/websocket/transports';
import { connectionStore } from './stores/connectionStore';
import { jobEnded, knownJobs } from './stores/rows';
import { isPhotoEvent, type JobStatusUpdate, type LiveEvent } from './types/wire';

// Raised whenever tabs of an older build would no longer understand the newer ones.
const TABS_VERSION = 1;
// In storage that tabs share: the one that takes over need not find it out anew. It is believed for minutes only.
const BLOCKED = 'safelight.blocked';

export interface LibraryNews {
  /** A photo has become visible. */
  onCompleted: () => void;
  /** A job has ended, or the live channel was away until now: anything may have changed. */
  onEnded: () => void;
}

/** Whoever looks at one job alone, on a page of its own. */
export interface Listener {
  events: (jobId: string, events: LiveEvent[]) => void;
  job: (event: JobStatusUpdate) => void;
}

const listeners = new Set<Listener>();

/** Hear all news as it comes. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export interface Session {
  live: SharedLive;
  follower: JobFollower;
  stop: () => void;
}

const history = {
  events: uploadApi.events.bind(uploadApi),
  snapshot: uploadApi.snapshot.bind(uploadApi),
};

const memory = {
  load: (): Blocks => {
    try {
      return (JSON.parse(localStorage.getItem(BLOCKED) ?? '{}') ?? {}) as Blocks;
    } catch (error) {
      if (error instanceof SyntaxError) return {}; // not ours
      throw error;
    }
  },
  save: (blocks: Blocks) => {
    if (Object.keys(blocks).length > 0) localStorage.setItem(BLOCKED, JSON.stringify(blocks));
    else localStorage.removeItem(BLOCKED);
  },
};

/** Follow all that the server tells of this person's jobs. */
export function followLive(userId: string, news: LibraryNews): Session {
  const live = new SharedLive({
    // Tabs of different people, or of different servers, share nothing.
    name: `safelight live ${TABS_VERSION} ${apiOrigin()} ${userId}`,
    // Absent on a page that came over plain HTTP from another machine.
    locks: 'locks' in navigator ? navigator.locks : null,
    channel: (name) => new BroadcastChannel(name),
    visible: () => document.visibilityState === 'visible',
    since: (jobId, seq, signal) => since(history, jobId, seq, 0, signal),
    lead: (ports) =>
      new LiveClient({
        ...ports,
        rungs: rungsOf(localStorage.getItem(FORCED)),
        socket: (rung, within) => openSocket(rung, webSocketUrl(), within),
        memory,
        token: () => auth.freshToken(),
        renew: () => auth.renew(),
        answers: () => serverAnswers(),
        history,
        activeJobs: (cursor, signal) => uploadApi.activeJobs(cursor, signal),
        progress: (updates) => uploadApi.progress(updates),
      }),
    onState: (state, over, mirrored) => {
      const before = connectionStore.getState().live;
      connectionStore.setState({ live: state, over, mirrored });
      if (state === 'live' && before !== 'live') news.onEnded();
    },
    onJob: (event) => {
      follower.jobTold(event);
      for (const { job } of listeners) job(event);
      if (jobEnded(event.status)) news.onEnded();
    },
    onEvents: (jobId, events) => {
      told(jobId, events, news);
    },
    onRefused: (jobId) => {
      follower.refused(jobId);
    },
  });
  const follower = new JobFollower({
    live,
    activeJobs: (cursor) => uploadApi.activeJobs(cursor),
    snapshot: (jobId) => uploadApi.snapshot(jobId),
    declaring: () => currentEngine().declaring,
    known: () => knownJobs(uploads.getState()),
    onJob: (event) => {
      uploads.dispatch({ type: 'job', event });
    },
    onSnapshot: (snapshot) => {
      const before = uploads.getState().photos;
      uploads.dispatch({ type: 'snapshot', snapshot });
      for (const photo of snapshot.photos) {
        currentEngine().told(photo.photoId, photo.status as 'QUEUED', photo.attempt);
        if (photo.status === 'COMPLETED' && before.get(photo.photoId)?.status !== 'COMPLETED') news.onCompleted();
      }
      if (jobEnded(snapshot.status as 'QUEUED')) news.onEnded();
    },
  });
  const unsubscribe = [
    uploads.subscribe((now, before) => {
      if (now.jobs !== before.jobs) follower.arrange();
    }),
    auth.subscribe((session) => {
      if (session?.userId === userId) live.renewed(session.token);
    }),
  ];
  toldOfBytes((sent) => {
    live.report(sent);
  });
  live.open();
  return {
    live,
    follower,
    stop: () => {
      for (const end of unsubscribe) end();
      toldOfBytes(null);
      follower.stop();
      live.close();
      connectionStore.setState({ live: 'closed', over: null, mirrored: false });
    },
  };
}

function told(jobId: string, events: LiveEvent[], news: LibraryNews): void {
  uploads.dispatch({ type: 'events', jobId, events });
  for (const event of events) {
    if (!isPhotoEvent(event)) continue;
    currentEngine().told(event.photoId, event.status, event.attempt);
    if (event.status === 'COMPLETED') news.onCompleted();
  }
  for (const listener of listeners) listener.events(jobId, events);
  // For whoever else listens on this page: extensions, and the tests that count.
  window.dispatchEvent(new CustomEvent('safelight:events', { detail: { jobId, events } }));
}
