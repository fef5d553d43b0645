// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { act, cleanup, fireEvent, render, screen } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { auth } from '../src/app';
import { Account } from '../src/components/layout/Header';
import { agoText, lagText, oldestFirst, personText, totalsText, transportText } from '../src/lib/connections';
import { Connections } from '../src/pages/Connections';
import { noticeStore } from '../src/stores/noticeStore';
import type { LiveConnection } from '../src/types/wire';

const START = Date.parse('2026-01-01T10:00:00Z');

const live = (id: string, more: Partial<LiveConnection> = {}): LiveConnection => ({
  connectionId: id,
  transport: 'websocket',
  email: `${id}@example.org`,
  since: '2026-01-01T09:59:00Z',
  subscriptions: [{ id: 's', destination: '/user/queue/upload-jobs', backlog: 0 }],
  backlog: 0,
  lagMs: 1,
  bytesSent: 1_500,
  ...more,
});

/** A server of these answers; what it was asked, and a switch to change what it answers. */
function serve(answer: () => Response) {
  const server = { answer, asked: [] as string[] };
  vi.stubGlobal('fetch', (path: string, { method }: RequestInit) => {
    server.asked.push(`${method ?? 'GET'} ${path}`);
    return method === 'DELETE'
      ? Promise.resolve(new Response(null, { status: path.endsWith('/gone') ? 404 : 204 }))
      : new Promise<Response>((resolve) => {
          resolve(server.answer());
        });
  });
  return server;
}

const list = (...items: LiveConnection[]) => Response.json({ items });
const nothing = () => Response.json({ code: 'not-found' }, { status: 404 });
const away = () => {
  throw new TypeError('no network');
};

function show(what: ReactNode) {
  render(<QueryClientProvider client={new QueryClient()}>{what}</QueryClientProvider>);
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
const people = () => screen.queryAllByRole('rowheader').map((cell) => cell.textContent);
const endOf = (id: string) => screen.getByRole('button', { name: new RegExp(`^End the .* of ${id}@`) });

beforeEach(() => {
  vi.useFakeTimers({ now: START });
  const session = { token: 't', userId: 'u', email: 'ann@example.org', expiresAt: START + 3_600_000 };
  auth.adopt(JSON.stringify(session));
});

afterEach(() => {
  cleanup();
  auth.adopt(null);
  noticeStore.setState({ notices: [] });
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it.each([
  [-5_000, 'just now'],
  [40_900, '40 s ago'],
  [119_000, '1 min ago'],
  [7_800_000, '2 h 10 min ago'],
  [273_600_000, '3 d 4 h ago'],
])('says how long ago %d ms are: %s', (ms, words) => {
  expect(agoText(ms)).toBe(words);
});

it.each([
  [0, '0 ms'],
  [0.4, '0.4 ms'],
  [9.97, '10 ms'],
  [38.2, '38 ms'],
  [999.7, '1.0 s'],
  [2_500, '2.5 s'],
  [170_000, '3 min'],
])('says a lag of %d ms: %s', (ms, words) => {
  expect(lagText(ms)).toBe(words);
});

it('sums up by transport, the commonest first', () => {
  const of = (...transports: string[]) => totalsText(transports.map((transport) => ({ transport })));
  expect(of('xhr', 'websocket', 'websocket')).toBe('3 connections: 2 WebSocket, 1 XHR polling');
  expect(of('webtransport')).toBe('1 connection: 1 webtransport');
  expect(of()).toBe('0 connections');
});

it('has a word for each person, and for each transport that the server can name', () => {
  expect(personText({ email: 'a@b.c', userId: 'u' })).toBe('a@b.c');
  expect(personText({ userId: 'u' })).toBe('u');
  expect(personText({})).toBe('Nobody yet');
  for (const name of ['websocket', 'raw-websocket', 'xhr-streaming', 'xhr', 'eventsource', 'htmlfile', 'jsonp'])
    expect(transportText(name)).not.toBe(name);
});

it('keeps the oldest first, and those of the same moment in one order', () => {
  const [a, b, old] = [live('a'), live('b'), live('z', { since: '2026-01-01T08:00:00Z' })];
  expect(oldestFirst([b, a, old])).toEqual([old, a, b]);
  expect(oldestFirst([a, old, b])).toEqual([old, a, b]);
});

it.each([
  ['an administrator', () => list(), true],
  ['anybody else', nothing, false],
  ['somebody whose server is away', away, false],
])('shows the link to %s as it should', async (_who, answer, shown) => {
  const server = serve(answer);
  show(<Account email="ann@example.org" />);
  await pass(5_000);
  expect(server.asked).toEqual([]);
  fireEvent.click(screen.getByRole('button', { name: /^Signed in as/ }));
  fireEvent.focus(screen.getByRole('button', { name: /^Signed in as/ }));
  await pass(60_000);
  expect(server.asked).toHaveLength(1);
  expect(screen.queryByRole('link', { name: 'Live connections' }) !== null).toBe(shown);
});

it('tells a visitor who is no administrator nothing, and asks no more', async () => {
  const server = serve(nothing);
  show(<Connections />);
  expect(document.body.textContent).toBe('Fetching…');
  await pass(10_000);
  expect(document.body.textContent).toBe('There is nothing here.');
  expect(server.asked).toHaveLength(1);
});

it('keeps the last table while the server is away, says that it is old, and goes on by itself', async () => {
  const server = serve(() => list(live('ann'), live('bob')));
  show(<Connections />);
  await pass(10);
  expect(people()).toEqual(['ann@example.org', 'bob@example.org']);
  expect(screen.queryByRole('alert')).toBeNull();
  server.answer = away;
  await pass(2_100);
  const alert = screen.getByRole('alert');
  expect(alert.textContent).toMatch(/stopped answering\. This is how it was at \d+:\d\d:00/);
  expect(people()).toEqual(['ann@example.org', 'bob@example.org']);
  await pass(6_000);
  expect(screen.getByRole('alert')).toBe(alert); // neither gone nor said again between the tries
  server.answer = () => list(live('bob'));
  await pass(2_100);
  expect(people()).toEqual(['bob@example.org']);
  expect(screen.queryByRole('alert')).toBeNull();
});

it('says one steady sentence where there was no answer at all', async () => {
  serve(away);
  show(<Connections />);
  await pass(10);
  const alert = screen.getByRole('alert');
  await pass(7_000);
  expect(screen.getByRole('alert')).toBe(alert);
});

it('gives the focus of a row that vanishes to the next, then to the last, then to the heading', async () => {
  const server = serve(() => list(live('a'), live('b'), live('c')));
  show(<Connections />);
  await pass(10);
  endOf('b').focus();
  fireEvent.focusIn(endOf('b')); // which happy-dom leaves out
  server.answer = () => list(live('a'), live('c'));
  await pass(2_100);
  expect(document.activeElement).toBe(endOf('c'));
  server.answer = () => list(live('a'));
  await pass(2_100);
  expect(document.activeElement).toBe(endOf('a'));
  server.answer = () => list();
  await pass(2_100);
  expect(document.activeElement).toBe(screen.getByRole('heading', { name: 'Live connections' }));
});

it('ends a connection only when asked twice, and says where it had ended already', async () => {
  const server = serve(() => list(live('ann'), live('gone')));
  const ended = () => server.asked.filter((each) => each.startsWith('DELETE'));
  show(<Connections />);
  await pass(10);
  fireEvent.click(endOf('ann'));
  fireEvent.click(screen.getByRole('button', { name: 'Keep it' }));
  await pass(100);
  expect(ended()).toEqual([]);
  expect(screen.queryByRole('dialog')).toBeNull();

  fireEvent.click(endOf('gone'));
  server.answer = () => list(live('ann'));
  fireEvent.click(screen.getByRole('button', { name: 'End connection' }));
  await pass(100);
  expect(ended()).toEqual(['DELETE /api/admin/connections/gone']);
  expect(people()).toEqual(['ann@example.org']);
  expect(noticeStore.getState().notices.map(({ text }) => text)).toEqual([
    'The connection of gone@example.org had already ended.',
  ]);
});
