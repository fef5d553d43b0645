// @vitest-environment happy-dom
import { beforeEach, expect, it, vi } from 'vitest';

async function loaded(kept: unknown) {
  localStorage.setItem('safelight.settings', typeof kept === 'string' ? kept : JSON.stringify(kept));
  vi.resetModules();
  return (await import('../src/stores/settingsStore')).settingsStore;
}

const DEFAULTS = {
  limit: 100,
  bandwidth: null,
  theme: 'system',
  language: 'system',
  panel: null,
  notify: false,
  grouping: 'auto',
};

beforeEach(() => {
  localStorage.clear();
});

it('keeps what a person set', async () => {
  const store = await loaded({});
  expect(store.getState()).toEqual(DEFAULTS);
  store.setState({ bandwidth: 2_000_000, limit: 7 });
  const kept = localStorage.getItem('safelight.settings') ?? '';
  expect((await loaded(kept)).getState()).toEqual({ ...DEFAULTS, limit: 7, bandwidth: 2_000_000 });
});

it.each([['nonsense {'], [{ limit: 0, bandwidth: -5 }], [{ limit: 1_000, bandwidth: 12 }], [{ bandwidth: 'fast' }]])(
  'takes the defaults for %j',
  async (kept) => {
    expect((await loaded(kept)).getState()).toEqual(DEFAULTS);
  },
);
