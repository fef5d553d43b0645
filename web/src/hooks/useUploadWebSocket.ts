import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { followLive, type Session } from '../live';
import { jitteredDelay, sleep } from '../lib/upload/backoff';
import { sentenceOf } from '../lib/api/errors';
import { notify } from '../stores/noticeStore';
import { say } from '../texts';
import { libraryNews } from './usePhotos';
import { useWebSocket } from './useWebSocket';

const RETRY = { base: 1_000, cap: 10_000 };
const TRIES = 10;

/** Follow every upload of whoever is signed in, live, and keep the library in step with it. */
export function useUploadWebSocket(userId: string): void {
  const queries = useQueryClient();
  const session = useRef<Session | null>(null);

  useEffect(() => {
    const ended = new AbortController();
    const news = libraryNews(queries);
    const started = followLive(userId, news);
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
      news.stop();
      started.stop();
      session.current = null;
    };
  }, [queries, userId]);

  useWebSocket(session);
}
