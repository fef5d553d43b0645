// @vitest-environment happy-dom
import { act, cleanup, render, screen } from '@testing-library/react';
import { afterEach, expect, it } from 'vitest';
import { BatchActions } from '../src/components/progress/UploadActions';
import { uploads } from '../src/app';
import { bytesText, durationText } from '../src/lib/format';
import { settingsStore } from '../src/stores/settingsStore';
import { bestLanguage, language, LANGUAGES, say, speak } from '../src/texts';
import { de } from '../src/texts/de';
import { en } from '../src/texts/en';
import type { Plural } from '../src/texts/catalogue';

afterEach(() => {
  cleanup();
  settingsStore.setState({ language: 'system' });
  speak('en');
});

const formsOf = (text: string | Plural): string[] => (typeof text === 'string' ? [text] : Object.values(text));
const placeholdersOf = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

it('has every text in every language, with the same placeholders in each of its forms', () => {
  expect(Object.keys(de)).toEqual(Object.keys(en));
  for (const [key, text] of Object.entries(en)) {
    const wanted = placeholdersOf(formsOf(text)[0] ?? '');
    for (const form of [...formsOf(text), ...formsOf(de[key as keyof typeof en])])
      expect({ key, placeholders: placeholdersOf(form) }).toEqual({ key, placeholders: wanted });
  }
});

it('has the plural forms that each language asks for', () => {
  const catalogues: Record<string, Record<string, string | Plural>> = { en, de };
  for (const { id } of LANGUAGES) {
    const wanted = [...new Intl.PluralRules(id).resolvedOptions().pluralCategories].sort();
    for (const [key, text] of Object.entries(catalogues[id] ?? {}))
      if (typeof text !== 'string') expect({ key, forms: Object.keys(text).sort() }).toEqual({ key, forms: wanted });
  }
});

it('says numbers, sizes and times as the language does', () => {
  expect([say('count.photos', { count: 1 }), say('count.photos', { count: 9_412 })]).toEqual([
    '1 photo',
    '9,412 photos',
  ]);
  expect([bytesText(1_234_000), durationText(7_800)]).toEqual(['1.2 MB', '2 h 10 min']);
  speak('de');
  expect([say('count.photos', { count: 1 }), say('count.photos', { count: 9_412 })]).toEqual(['1 Foto', '9.412 Fotos']);
  expect([bytesText(1_234_000), durationText(7_800)]).toEqual(['1,2 MB', '2 h 10 min']);
});

it('takes the first language that the browser asks for and that there is', () => {
  expect(bestLanguage(['fr-CH', 'de-CH', 'en'])).toBe('de');
  expect(bestLanguage(['en-GB', 'de'])).toBe('en');
  expect(bestLanguage(['pl', 'dear'])).toBe('en');
  expect(bestLanguage([])).toBe('en');
});

it('changes the language of what is shown at once, tells the document, and keeps the choice', () => {
  uploads.dispatch({
    type: 'declared',
    jobId: 'job_1',
    items: [{ photoId: 'ph_1', method: 'PUT', presignedUrl: '/x' }],
    files: [{ filename: 'a.jpg', relativePath: null, bytes: 1 }],
  });
  uploads.flush();
  render(<BatchActions />);
  expect(screen.getByRole('button', { name: 'Pause all' })).toBeTruthy();
  act(() => {
    settingsStore.setState({ language: 'de' });
  });
  expect(screen.getByRole('button', { name: 'Alle anhalten' })).toBeTruthy();
  expect([document.documentElement.lang, language()]).toEqual(['de', 'de']);
  expect(JSON.parse(localStorage.getItem('safelight.settings') ?? '')).toMatchObject({ language: 'de' });
});
