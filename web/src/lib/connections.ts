/** Live connections in words. */
import type { LiveConnection } from '../types/wire';
import { language, numberText, say } from '../texts';
import { durationText } from './format';

const TRANSPORTS = ['websocket', 'raw-websocket', 'xhr-streaming', 'xhr', 'eventsource', 'htmlfile', 'jsonp'] as const;

/** A transport as people call it; one that this page does not know yet, by its own name. */
export function transportText(transport: string): string {
  const known = TRANSPORTS.find((each) => each === transport);
  return known ? say(`transport.${known}`) : transport;
}

/** Whose connection it is. One that has not said so yet (CONNECT is still to come) is nobody's. */
export function personText({ email, userId }: Pick<LiveConnection, 'email' | 'userId'>): string {
  return email ?? userId ?? say('connections.nobody');
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
    .sort((a, b) => b.count - a.count || a.words.localeCompare(b.words, language()))
    .map(({ words, count }) => `${numberText(count)} ${words}`);
  const total = say('connections.total', { count: connections.length });
  return parts.length ? say('connections.totals', { total, parts: parts.join(', ') }) : total;
}

/** A time that has passed: `just now`, `40 s ago`, `2 h 10 min ago`, `3 d 4 h ago`. Clocks may differ: never negative. */
export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  return seconds < 1 ? say('ago.now') : say('ago', { time: elapsedText(seconds) });
}

function elapsedText(seconds: number): string {
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (minutes < 1) return say('seconds', { count: seconds });
  if (hours < 1) return say('minutes', { count: minutes });
  if (hours < 24) return say('hoursMinutes', { hours, minutes: minutes % 60 });
  return say('daysHours', { days: Math.floor(hours / 24), hours: hours % 24 });
}

/** `0.4 ms`, `38 ms`, `2.5 s`, `3 min`. */
export function lagText(ms: number): string {
  if (ms < 9.95) return milliseconds(ms, Number(ms.toFixed(1)) % 1 ? 1 : 0);
  if (ms < 999.5) return milliseconds(ms, 0);
  return ms < 59_950 ? say('seconds.exact', { seconds: numberText(ms / 1_000, 1) }) : durationText(ms / 1_000);
}

function milliseconds(ms: number, decimals: number): string {
  return say('milliseconds', { ms: numberText(ms, decimals) });
}
