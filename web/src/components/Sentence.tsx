import { Fragment, type ReactNode } from 'react';
import { useTexts } from '../hooks/useTexts';
import { type Key, pieces } from '../texts';
import type { Values } from '../texts/catalogue';

/** A text of the catalogue with elements in the place of its names. */
export function Sentence<K extends Key>({ text, values }: { text: K; values: Values<K, ReactNode> }) {
  useTexts();
  const given = values as Record<string, ReactNode>;
  return pieces(text, given.count).map((piece, index) => (
    <Fragment key={index}>{typeof piece === 'string' ? piece : given[piece.name]}</Fragment>
  ));
}
