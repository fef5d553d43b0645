// @vitest-environment happy-dom
import { act, cleanup, renderHook, waitFor } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useLooked } from '../src/hooks/useLooked';
import { go } from '../src/hooks/useRoute';

const first = { position: 3, photoId: 'pho_3' };
const second = { position: 4, photoId: 'pho_4' };
const kept = () => (window.history.state as { looked?: unknown } | null)?.looked;

function shown() {
  const { result } = renderHook(useLooked);
  return {
    looked: () => result.current.looked,
    look: (at: typeof first) => {
      act(() => {
        result.current.look(at);
      });
    },
    close: () => {
      act(() => {
        result.current.close();
      });
    },
  };
}

beforeEach(() => {
  go('/connections');
  go('/?q=nikon');
});
afterEach(cleanup);

describe('A photo that is looked at', () => {
  it('is closed by Back and opened by Forward, the address and what is looked for standing', async () => {
    const page = shown();
    expect(page.looked()).toBeNull();
    page.look(first);
    expect(window.location.search).toBe('?q=nikon');
    window.history.back();
    await waitFor(() => {
      expect(page.looked()).toBeNull();
    });
    expect(window.location.search).toBe('?q=nikon');
    window.history.forward();
    await waitFor(() => {
      expect(page.looked()).toEqual(first);
    });
  });

  it('gives its entry to the next one: one step back closes, and closing twice is one step', async () => {
    const page = shown();
    page.look(first);
    const { length } = window.history;
    page.look(second);
    expect(page.looked()).toEqual(second);
    await waitFor(() => {
      expect(kept()).toEqual(second);
    });
    expect(window.history.length).toBe(length);
    page.look(first);
    page.close();
    page.close();
    await waitFor(() => {
      expect(page.looked()).toBeNull();
    });
    expect(window.location.pathname + window.location.search).toBe('/?q=nikon');
    window.history.forward();
    await waitFor(() => {
      expect(page.looked()).toEqual(first);
    });
  });

  it('is there after a reload', () => {
    window.history.pushState({ looked: second }, '');
    expect(shown().looked()).toEqual(second);
  });
});
