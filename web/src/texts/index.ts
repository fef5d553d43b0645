/** The words of the page: one catalogue a language, and the language in force. */
import type { Catalogue, Given, Key } from './catalogue';
import { de } from './de';
import { en } from './en';

export type { Key } from './catalogue';

export type Language = 'en' | 'de';

const CATALOGUES: Record<Language, Catalogue> = { en, de };

/** The languages that there are, each under its own name. */
export const LANGUAGES: readonly { id: Language; name: string }[] = [
  { id: 'en', name: 'English' },
  { id: 'de', name: 'Deutsch' },
];

let current: Language = 'en';
const listeners = new Set<() => void>();

/** The language in force. */
export function language(): Language {
  return current;
}

/** Speak another language from now on. */
export function speak(wanted: Language): void {
  if (wanted === current) return;
  current = wanted;
  for (const listener of listeners) listener();
}

/** Be told when another language is in force. */
export function onLanguage(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The first of the `wanted` languages (BCP 47 tags, the best first) that there is; English where there is none. */
export function bestLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const found = LANGUAGES.find(({ id }) => tag.toLowerCase().split('-')[0] === id);
    if (found) return found.id;
  }
  return 'en';
}

const numbers = new Map<string, Intl.NumberFormat>();

/** A number as the language in force writes it, with so many decimals. */
export function numberText(value: number, decimals = 0): string {
  const name = `${current} ${decimals}`;
  let format = numbers.get(name);
  if (!format) {
    format = new Intl.NumberFormat(current, {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
      signDisplay: 'negative', // what rounds to nothing has no sign
    });
    numbers.set(name, format);
  }
  return format.format(value);
}

export type Say = <K extends Key>(key: K, ...given: Given<K>) => string;

/** A text in the language in force, numbers in it written as there. In components, take it from `useTexts`. */
export const say: Say = (key, ...given) => {
  const values = (given[0] ?? {}) as Record<string, string | number>;
  return pieces(key, values.count)
    .map((piece) => (typeof piece === 'string' ? piece : written(values[piece.name])))
    .join('');
};

const another = (): Say => {
  return (key, ...given) => say(key, ...given);
};
const speakers: Record<Language, Say> = { en: another(), de: another() };

/** `say` under another identity for each language: what is remembered by it is made anew when the language changes. */
export function speaker(): Say {
  return speakers[current];
}

export type Piece = string | { name: string };

const plurals: Record<Language, Intl.PluralRules> = { en: new Intl.PluralRules('en'), de: new Intl.PluralRules('de') };

/** A text cut at its placeholders, in the form that `count` asks for. */
export function pieces(key: Key, count: unknown): Piece[] {
  const text = CATALOGUES[current][key];
  const chosen = typeof text === 'string' ? text : (text[plurals[current].select(Number(count))] ?? text.other);
  return chosen.split(/\{(\w+)\}/).map((part, index) => (index % 2 === 0 ? part : { name: part }));
}

function written(value: string | number | undefined): string {
  return typeof value === 'number' ? numberText(value) : (value ?? '');
}
