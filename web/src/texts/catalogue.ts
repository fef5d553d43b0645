import type { en } from './en';

/** A text by the plural category of its `{count}` (CLDR, as Intl.PluralRules names them). */
export type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** The texts of one area in any language: the same keys, plural where the English one is. */
export type Texts<English> = { [Key in keyof English]: English[Key] extends string ? string : Plural };

/** Every text of the page in one language. */
export type Catalogue = Texts<typeof en>;

export type Key = keyof typeof en;

/** The names in braces of a text. */
type Names<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;

type English<K extends Key> = (typeof en)[K];
type Placeholders<K extends Key> = English<K> extends { other: infer Other } ? Names<Other> : Names<English<K>>;

/** What must be given with a text; a count is a number, since it decides the form. */
export type Values<K extends Key, Value> = {
  [Name in Placeholders<K>]: Name extends 'count' ? number : Value;
};

/** The arguments behind a key: none for a text without placeholders. */
export type Given<K extends Key, Value = string | number> = [Placeholders<K>] extends [never]
  ? []
  : [values: Values<K, Value>];
