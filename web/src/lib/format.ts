/** Sizes, speeds and times in the language in force. */
import { language, numberText, say } from '../texts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size in decimal units, as file managers show it: `3.4 MB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${numberText(value, unit === 0 || value >= 99.5 ? 0 : 1)} ${UNITS[unit] ?? 'TB'}`;
}

/** A speed: `12.0 MB/s`. */
export function speedText(bytesPerSecond: number): string {
  return say('speed', { bytes: bytesText(bytesPerSecond) });
}

/** A time to come, roughly, as long as it is worth saying: `40 s`, `3 min`, `2 h 10 min`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return say('seconds', { count: Math.max(1, Math.ceil(seconds)) });
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return say('minutes', { count: minutes });
  const hours = Math.floor(minutes / 60);
  return minutes % 60 ? say('hoursMinutes', { hours, minutes: minutes % 60 }) : say('hours', { count: hours });
}

/** A percent, rounded down: 100 is said only of what is done. */
export function percentText(percent: number): string {
  return say('percent', { percent: Math.floor(percent) });
}

const dates = new Map<string, Intl.DateTimeFormat>();

/** A moment as the language in force writes it. */
export function dateText(date: Date | number, options: Intl.DateTimeFormatOptions): string {
  const name = `${language()} ${JSON.stringify(options)}`;
  let format = dates.get(name);
  if (!format) dates.set(name, (format = new Intl.DateTimeFormat(language(), options)));
  return format.format(date);
}
