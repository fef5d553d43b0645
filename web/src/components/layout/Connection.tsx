import { useConnectionState } from '../../hooks/useWebSocket';
import { CONNECTION_WORDS } from '../../stores/connectionStore';

/** How the news comes in, in words. One of the places that show it speaks (`announced`), so that it is heard once. */
export function Connection({ announced = false }: { announced?: boolean }) {
  const state = useConnectionState();
  return (
    <span className="connection" data-state={state} role={announced ? 'status' : undefined}>
      {CONNECTION_WORDS[state]}
    </span>
  );
}
