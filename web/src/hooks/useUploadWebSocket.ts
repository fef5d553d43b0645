import { useEffect, useRef } from 'react';
import { followLive, type Session } from '../live';
import { jitteredDelay, sleep } from '../lib/upload/backoff';
import { sentenceOf } from '../lib/api/errors';
import { notify } from '../stores/noticeStore';
import { say } from '../texts';
import { libraryNews } from './useShelf';
import { useWebSocket } from './useWebSocket';

const RETRY = { base: 1_000, cap: 10_000 };
const TRIES = 10;

/** Follow every upload of whoever is signed in, live, and keep the library in step with it. */
export function useUploadWebSocket(userId: string): void {
  const session = useRef<Session | null>(null);

  useEffect(() => {
    const ended = new AbortController();
    const started = followLive(userId, libraryNews);
    session.current = started;
    const begin = async () => {
      for (let attempt = 0; ; attempt++) {
        try {
          await started.follower.begin();
          return;
        } catch (error) {
          if (attempt >= TRIES) throw error;
          await sleep(jitteredDelay(attempt, RETRY), ended.signal);
        }
      }
    };
    begin().catch((error: unknown) => {
      if (!ended.signal.aborted) notify(say('uploads.unlisted', { reason: sentenceOf(error) }));
    });
    return () => {
      ended.abort();
      started.stop();
      session.current = null;
    };
  }, [userId]);

  useWebSocket(session);
}
