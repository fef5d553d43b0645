import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { auth, startAnew } from './app';
import { Header } from './components/layout/Header';
import { Notices } from './components/layout/Notices';
import { UploadProgressPanel } from './components/layout/UploadProgressPanel';
import { DropZone } from './components/photos/DropZone';
import { Pickers } from './components/photos/Pickers';
import { go, useRoute } from './hooks/useRoute';
import { useResume } from './hooks/useResume';
import { useSearch } from './hooks/useSearch';
import { useSession } from './hooks/useSession';
import { useTheme } from './hooks/useTheme';
import { useUpload } from './hooks/useUpload';
import { useUploadWebSocket } from './hooks/useUploadWebSocket';
import { sentenceOf } from './lib/api/errors';
import { Connections } from './pages/Connections';
import { Job } from './pages/Job';
import { Library } from './pages/Library';
import { SignIn } from './pages/SignIn';

/** The page: sign-in for nobody, the library for somebody. */
export function App({ linkCode }: { linkCode: string | null }) {
  useTheme();
  const session = useSession();
  const queries = useQueryClient();
  const [reason, setReason] = useState<string | null>(null);
  const [linking, setLinking] = useState(linkCode !== null);
  const owner = useRef(session?.userId);

  useEffect(
    () =>
      auth.subscribe((now, why) => {
        setReason(why ?? null);
        // A sign-in that merely ended keeps its uploads waiting; another person, or a sign-out, ends them.
        if ((now ? now.userId : why === undefined ? null : owner.current) === owner.current) return;
        owner.current = now?.userId;
        startAnew();
        queries.clear();
        // Whoever comes next does not look at what was looked at.
        go(window.location.pathname + window.location.search, true);
      }),
    [queries],
  );

  useEffect(() => {
    const changed = ({ key, newValue }: StorageEvent) => {
      if (key === 'safelight.session') auth.adopt(newValue);
    };
    window.addEventListener('storage', changed);
    return () => {
      window.removeEventListener('storage', changed);
    };
  }, []);

  useEffect(() => {
    if (linkCode === null) return;
    linkOnce(linkCode)
      .then(() => {
        go('/', true);
      })
      .catch((error: unknown) => {
        setReason(sentenceOf(error));
        if (auth.session) go('/', true);
      })
      .finally(() => {
        setLinking(false);
      });
  }, [linkCode]);

  return (
    <>
      {session && !linking ? (
        <Signed userId={session.userId} email={session.email} />
      ) : (
        <SignIn reason={reason} linking={linking} />
      )}
      <Notices />
    </>
  );
}

// A code works once; React runs effects twice in development.
const used = new Map<string, Promise<unknown>>();
function linkOnce(code: string): Promise<unknown> {
  const known = used.get(code) ?? auth.useLink(code);
  used.set(code, known);
  return known;
}

function Signed({ userId, email }: { userId: string; email: string }) {
  const route = useRoute();
  const search = useSearch();
  const { preparing, addPicked, addDropped } = useUpload();
  useUploadWebSocket(userId);
  useResume(userId);

  const onPick = useCallback((files: File[]) => void addPicked(files), [addPicked]);
  const onDrop = useCallback((transfer: DataTransfer) => void addDropped(transfer), [addDropped]);
  const watched = /^\/jobs\/(\w+)$/.exec(route)?.[1];
  const place = route === '/trash' ? 'trash' : 'library';

  return (
    <>
      <Header email={email} search={route === '/connections' || watched !== undefined ? null : search}>
        <Pickers onPick={onPick} />
      </Header>
      {route === '/connections' ? (
        <Connections />
      ) : watched !== undefined ? (
        <Job key={watched} jobId={watched} />
      ) : (
        <Library
          key={`${place} ${search.search}`}
          place={place}
          search={search.search}
          onClear={search.clear}
          onPick={onPick}
        />
      )}
      <UploadProgressPanel preparing={preparing} />
      <DropZone onDrop={onDrop} />
    </>
  );
}
