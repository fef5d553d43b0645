import { say } from '../../texts';
import type { Place } from '../api/photos';
import { dateText } from '../format';
import type { Section } from './layout';

const DAY_MS = 86_400_000;

/** The words above the photos of a day or a month; in the trash, with how long they are kept. */
export function sectionTitle(
  key: string,
  place: Place,
  trashDays: number,
  now: number,
): { title: string; note: string | null } {
  const date = new Date(`${key.length === 7 ? `${key}-01` : key}T00:00:00Z`);
  if (key.length === 7)
    return { title: dateText(date, { month: 'long', year: 'numeric', timeZone: 'UTC' }), note: null };
  if (place === 'library') return { title: dateText(date, { dateStyle: 'full', timeZone: 'UTC' }), note: null };
  const day = dateText(date, { dateStyle: 'long', timeZone: 'UTC' });
  // The whole day is told as gone when its first photo goes: nobody should come too late.
  const left = Math.max(0, Math.ceil((date.getTime() + trashDays * DAY_MS - now) / DAY_MS));
  return { title: say('trash.deletedOn', { day }), note: say('trash.daysLeft', { count: left }) };
}

/** That photos stand by the date of their arrival, where they do. */
export function undatedText({ count, undated }: Section): string | null {
  if (undated === 0) return null;
  return undated === count ? say('library.byArrival') : say('library.someByArrival', { count: undated });
}
