import { type RefObject, useEffect, useState } from 'react';
import { useStore } from 'zustand';
import type { Session } from '../live';
import { type ConnectionState, connectionState, connectionStore } from '../stores/connectionStore';

/** What the live channel is at, in one word. */
export function useConnectionState(): ConnectionState {
  return useStore(connectionStore, connectionState);
}

/** A value once it has stayed the same for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => {
      setSettled(value);
    }, ms);
    return () => {
      clearTimeout(timer);
    };
  }, [value, ms]);
  return settled;
}

/** Bring the live channel back at once when the network returns or somebody looks at the page again. */
export function useWebSocket(session: RefObject<Session | null>): ConnectionState {
  useEffect(() => {
    const network = () => {
      connectionStore.setState({ online: navigator.onLine });
      if (navigator.onLine) session.current?.live.hurry(true);
    };
    const looked = () => {
      if (document.visibilityState === 'visible') session.current?.live.hurry();
    };
    window.addEventListener('online', network);
    window.addEventListener('offline', network);
    document.addEventListener('visibilitychange', looked);
    return () => {
      window.removeEventListener('online', network);
      window.removeEventListener('offline', network);
      document.removeEventListener('visibilitychange', looked);
    };
  }, [session]);
  return useConnectionState();
}
