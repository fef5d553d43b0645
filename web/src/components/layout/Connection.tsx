import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { useConnectionState, useSettled } from '../../hooks/useWebSocket';
import { connectionStore } from '../../stores/connectionStore';
import { stateWords, wayWords } from './connectionWords';

// A state that is over by then is not worth being read aloud.
const ANNOUNCE_AFTER_MS = 1_500;

/**
 * How the news comes in, in words. One of the places that show it has the room for a sentence, and speaks (`announced`),
 * so that it is heard once.
 */
export function Connection({ announced = false }: { announced?: boolean }) {
  useTexts();
  const state = useConnectionState();
  const over = useStore(connectionStore, (connection) => (connection.live === 'live' ? connection.over : null));
  const way = useStore(connectionStore, wayWords);
  const { word, sentence } = stateWords(state);
  return (
    <>
      <span
        className="connection"
        data-state={state}
        data-over={over ?? undefined}
        title={way ?? (announced || sentence === word ? undefined : sentence)}
        aria-hidden={announced || undefined}
      >
        {announced ? sentence : word}
      </span>
      {announced && <Announced words={sentence} />}
    </>
  );
}

function Announced({ words }: { words: string }) {
  return (
    <span className="unseen" role="status">
      {useSettled(words, ANNOUNCE_AFTER_MS)}
    </span>
  );
}
