import type { Connection, ConnectionState } from '../../stores/connectionStore';
import { say } from '../../texts';

/** A state in a word, and in a sentence for places with room for it, where a person may wonder. */
export function stateWords(state: ConnectionState): { word: string; sentence: string } {
  const word = say(`connection.${state}`);
  if (state !== 'polling' && state !== 'offline') return { word, sentence: word };
  return { word, sentence: say('connection.because', { word, why: say(`connection.${state}.why`) }) };
}

/** By which way the news comes in, in words; null where there is nothing to add to the state. */
export function wayWords({ live, over, mirrored }: Connection): string | null {
  if (live !== 'live' && live !== 'polling') return null;
  const way =
    live === 'polling'
      ? say('connection.over.polling')
      : over === 'websocket'
        ? say('connection.over.websocket')
        : say('connection.over.sockjs', { transport: over ?? '' });
  return mirrored ? say('connection.mirrored', { way }) : way;
}
