import { type RefObject, useEffect } from 'react';
import { useStore } from 'zustand';
import type { Session } from '../app';
import { type ConnectionState, connectionState, connectionStore } from '../stores/connectionStore';

/** What the live channel is at, in one word. */
export function useConnectionState(): ConnectionState {
  return useStore(connectionStore, connectionState);
}

/** Bring the live channel back at once when the network returns or somebody looks at the page again. */
export function useWebSocket(session: RefObject<Session | null>): ConnectionState {
  useEffect(() => {
    const changed = () => {
      connectionStore.setState({ online: navigator.onLine });
      if (navigator.onLine && document.visibilityState === 'visible') session.current?.live.hurry();
    };
    window.addEventListener('online', changed);
    window.addEventListener('offline', changed);
    document.addEventListener('visibilitychange', changed);
    return () => {
      window.removeEventListener('online', changed);
      window.removeEventListener('offline', changed);
      document.removeEventListener('visibilitychange', changed);
    };
  }, [session]);
  return useConnectionState();
}
