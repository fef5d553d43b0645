import type { IStompSocket } from '@stomp/stompjs';
import type { Rung } from './policy';

/** The best first. Further transports of SockJS can be forced, see `rungsOf`. */
export const RUNGS: readonly Rung[] = ['websocket', 'xhr-streaming', 'eventsource', 'xhr-polling'];

/** Where a browser may be told which transports to try. */
export const FORCED = 'safelight.transports';

/**
 * The rungs to try. `forced`, the value of `safelight.transports` in the browser's local storage, names those allowed
 * instead of the usual ones, by commas and in order: `websocket`; the transports of SockJS by their names there
 * (`sockjs-websocket` for its own WebSocket); `long-poll` for none of them. For networks that lie, and for tests.
 */
export function rungsOf(forced: string | null): readonly Rung[] {
  const named = (forced ?? '').split(',').flatMap((name) => name.trim() || []);
  return named.length > 0 ? named.filter((name) => name !== 'long-poll') : RUNGS;
}

/** A socket of this rung to the live channel at `url` (ws: or wss:), not open yet. */
export async function openSocket(rung: Rung, url: string, within: number): Promise<IStompSocket> {
  if (rung === 'websocket') return new WebSocket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']);
  // The build that SockJS ships for browsers; fetched only where a plain WebSocket does not get through.
  const { default: SockJS } = await import('sockjs-client/dist/sockjs.js');
  const transport = rung === 'sockjs-websocket' ? 'websocket' : rung;
  return new SockJS(url.replace(/^ws/, 'http'), null, { transports: [transport], timeout: within });
}
