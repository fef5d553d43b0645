// @vitest-environment happy-dom
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Busy } from '../src/components/layout/Busy';
import { connectionStore } from '../src/stores/connectionStore';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  connectionStore.setState({ busyUntil: 0 });
});

afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

const words = () => document.body.textContent;

function pass(ms: number): void {
  act(() => {
    vi.advanceTimersByTime(ms);
  });
}

it('says that the server is busy and counts down to when the page goes on', () => {
  render(<Busy />);
  expect(words()).toBe('');
  act(() => {
    connectionStore.setState({ busyUntil: 1_012_000 });
  });
  expect(words()).toBe('The server is busy. Going on in 12 s.');
  pass(2_000);
  expect(words()).toBe('The server is busy. Going on in 10 s.');
  act(() => {
    connectionStore.setState({ busyUntil: 1_030_000 });
  });
  expect(words()).toBe('The server is busy. Going on in 28 s.');
  pass(28_000);
  expect(words()).toBe('');
  expect(vi.getTimerCount()).toBe(0);
});

it('reads aloud that it is busy, and not every second of it', () => {
  connectionStore.setState({ busyUntil: 1_012_000 });
  render(<Busy />);
  expect(screen.getByRole('status').textContent).toBe('The server is busy.');
});
