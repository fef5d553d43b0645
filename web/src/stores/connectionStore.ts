import { createStore } from 'zustand/vanilla';
import type { LiveState } from '../lib/websocket/client';

export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'polling' | 'offline';

export interface Connection {
  live: LiveState;
  /** Whether asking in place of the live channel works; null while nothing is asked. */
  polling: boolean | null;
  /** Whether the uploads reach the server. */
  reachable: boolean;
  /** Whether the browser believes in a network. */
  online: boolean;
}

export const connectionStore = createStore<Connection>(() => ({
  live: 'closed',
  polling: null,
  reachable: true,
  online: navigator.onLine,
}));

/** One state out of what the live channel, the polling, the uploads and the browser know. */
export function connectionState({ live, polling, reachable, online }: Connection): ConnectionState {
  if (live === 'live') return 'live';
  if (!online || !reachable || polling === false) return 'offline';
  if (polling) return 'polling';
  return live === 'reconnecting' ? 'reconnecting' : 'connecting';
}

export const CONNECTION_WORDS: Record<ConnectionState, string> = {
  connecting: 'Connecting…',
  live: 'Live',
  reconnecting: 'Reconnecting…',
  polling: 'Live channel away, asking every 2 s',
  offline: 'Offline: the server cannot be reached',
};
