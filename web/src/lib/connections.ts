/** Live connections in words. */
import type { LiveConnection } from '../types/wire';
import { countText, durationText } from './format';

const TRANSPORTS: Record<string, string> = {
  websocket: 'WebSocket',
  'raw-websocket': 'raw WebSocket',
  'xhr-streaming': 'XHR streaming',
  xhr: 'XHR polling',
  eventsource: 'EventSource',
  htmlfile: 'HTML file',
  jsonp: 'JSONP polling',
};

/** A transport as people call it; one that this page does not know yet, by its own name. */
export function transportText(transport: string): string {
  return TRANSPORTS[transport] ?? transport;
}

/** Whose connection it is. One that has not said so yet (CONNECT is still to come) is nobody's. */
export function personText({ email, userId }: Pick<LiveConnection, 'email' | 'userId'>): string {
  return email ?? userId ?? 'Nobody yet';
}

/** Oldest first. The id decides between equals, so that two rows never change places. */
export function oldestFirst(connections: readonly LiveConnection[]): LiveConnection[] {
  return [...connections].sort(
    (a, b) => Date.parse(a.since) - Date.parse(b.since) || (a.connectionId < b.connectionId ? -1 : 1),
  );
}

/** `3 connections: 2 WebSocket, 1 XHR polling`, the commonest first. */
export function totalsText(connections: readonly Pick<LiveConnection, 'transport'>[]): string {
  const counts = new Map<string, number>();
  for (const { transport } of connections) counts.set(transport, (counts.get(transport) ?? 0) + 1);
  const parts = [...counts]
    .map(([transport, count]) => ({ words: transportText(transport), count }))
    .sort((a, b) => b.count - a.count || a.words.localeCompare(b.words, 'en'))
    .map(({ words, count }) => `${count.toLocaleString('en')} ${words}`);
  return [countText(connections.length, 'connection'), ...(parts.length ? [parts.join(', ')] : [])].join(': ');
}

/** A time that has passed: `just now`, `40 s ago`, `2 h 10 min ago`, `3 d 4 h ago`. Clocks may differ: never negative. */
export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 1) return 'just now';
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (minutes < 1) return `${seconds} s ago`;
  if (hours < 1) return `${minutes} min ago`;
  if (hours < 24) return `${hours} h ${minutes % 60} min ago`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h ago`;
}

/** `0.4 ms`, `38 ms`, `2.5 s`, `3 min`. */
export function lagText(ms: number): string {
  if (ms < 9.95) return `${Number(ms.toFixed(1))} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  return ms < 59_950 ? `${(ms / 1_000).toFixed(1)} s` : durationText(ms / 1_000);
}
