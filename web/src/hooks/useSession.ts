import { useSyncExternalStore } from 'react';
import { auth } from '../app';
import type { Session } from '../lib/api/auth';

/** Who is signed in, null for nobody. */
export function useSession(): Session | null {
  return useSyncExternalStore(
    (listener) => auth.subscribe(listener),
    () => auth.session,
  );
}
