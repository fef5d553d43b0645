// @vitest-environment happy-dom
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Connection } from '../src/components/layout/Connection';
import { wayWords } from '../src/components/layout/connectionWords';
import { type Connection as Known, connectionState, connectionStore } from '../src/stores/connectionStore';

const known = (more: Partial<Known>): Known => ({
  live: 'live',
  over: null,
  mirrored: false,
  reachable: true,
  online: true,
  busyUntil: 0,
  ...more,
});

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

it.each([
  [{ live: 'closed' }, 'connecting'],
  [{ live: 'connecting' }, 'connecting'],
  [{ live: 'live', reachable: false, online: false }, 'live'],
  [{ live: 'reconnecting' }, 'reconnecting'],
  [{ live: 'reconnecting', reachable: false }, 'offline'],
  [{ live: 'reconnecting', online: false }, 'offline'],
  [{ live: 'polling', reachable: false }, 'polling'],
  [{ live: 'offline' }, 'offline'],
] as const)('makes one state of all that is known: %j is %s', (more, state) => {
  expect(connectionState(known(more))).toBe(state);
});

it('says by which way the news comes', () => {
  expect(wayWords(known({ over: 'websocket' }))).toBe('Over WebSocket');
  expect(wayWords(known({ over: 'xhr-polling', mirrored: true }))).toBe(
    'Over SockJS, xhr-polling, held by another tab',
  );
  expect(wayWords(known({ live: 'polling' }))).toBe('Asking over HTTP');
  expect(wayWords(known({ live: 'offline' }))).toBeNull();
});

it('says every state in words, and aloud only what lasts', () => {
  connectionStore.setState(known({ over: 'websocket' }));
  render(
    <>
      <Connection announced />
      <Connection />
    </>,
  );
  const [full, brief] = [...document.querySelectorAll('[data-state]')];
  const aloud = () => screen.getByRole('status').textContent;
  expect([full?.textContent, brief?.textContent, aloud()]).toEqual(['Live', 'Live', 'Live']);
  act(() => {
    connectionStore.setState(known({ live: 'reconnecting' }));
  });
  expect([full?.textContent, aloud()]).toEqual(['Reconnecting…', 'Live']);
  act(() => {
    vi.advanceTimersByTime(1_000);
  });
  act(() => {
    connectionStore.setState(known({ live: 'live' }));
  });
  act(() => {
    vi.advanceTimersByTime(2_000);
  });
  expect(aloud()).toBe('Live');
  act(() => {
    connectionStore.setState(known({ live: 'offline' }));
  });
  act(() => {
    vi.advanceTimersByTime(2_000);
  });
  expect([full?.textContent, brief?.textContent]).toEqual(['Offline: the server cannot be reached', 'Offline']);
  expect(aloud()).toBe('Offline: the server cannot be reached');
});
