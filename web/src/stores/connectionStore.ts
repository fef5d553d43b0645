import { createStore } from 'zustand/vanilla';
import type { LiveState } from '../lib/websocket/ports';

export type ConnectionState = 'connecting' | 'live' | 'reconnecting' | 'polling' | 'offline';

export interface Connection {
  live: LiveState;
  /** By which transport, while live. */
  over: string | null;
  /** Whether another tab holds the connection. */
  mirrored: boolean;
  /** Whether the uploads reach the server. */
  reachable: boolean;
  /** Whether the browser believes in a network. */
  online: boolean;
  /** Until when (milliseconds since 1970) uploads wait because the server is busy. */
  busyUntil: number;
}

export const connectionStore = createStore<Connection>(() => ({
  live: 'closed',
  over: null,
  mirrored: false,
  reachable: true,
  online: navigator.onLine,
  busyUntil: 0,
}));

/** One state out of what the live channel, the uploads and the browser know. */
export function connectionState({ live, reachable, online }: Connection): ConnectionState {
  if (live === 'live' || live === 'polling') return live; // news comes in, whatever the others believe
  if (!online || !reachable || live === 'offline') return 'offline';
  return live === 'closed' ? 'connecting' : live;
}
