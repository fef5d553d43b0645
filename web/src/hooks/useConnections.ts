import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { adminApi } from '../app';
import { useSession } from './useSession';

const REFRESH_EVERY_MS = 2_000;

// Under the name of whoever asks: what one account may see is nothing that the next should find.
const connectionsOf = (userId: string | undefined) =>
  queryOptions({
    queryKey: ['connections', userId],
    queryFn: ({ signal }) => adminApi.connections(signal),
    // The next refresh is the retry; and that the browser is offline is to be said, not waited for.
    retry: false,
    networkMode: 'always',
  });

/** Whether whoever is signed in may see the live connections. The server is asked once, and only where `asked`. */
export function useMaySeeConnections(asked: boolean): boolean {
  const { data } = useQuery({
    ...connectionsOf(useSession()?.userId),
    enabled: asked,
    staleTime: Infinity,
    select: (connections) => connections !== null,
  });
  return data ?? false;
}

/** The live connections, asked for again and again while the page is looked at; null where there are none to see. */
export function useConnections() {
  const userId = useSession()?.userId;
  const queries = useQueryClient();
  const shown = useQuery({
    ...connectionsOf(userId),
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data === null ? false : REFRESH_EVERY_MS),
  });
  const refresh = () => queries.invalidateQueries({ queryKey: ['connections', userId] });
  return { ...shown, refresh };
}
