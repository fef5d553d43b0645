import { describe, expect, it, onTestFinished } from 'vitest';
import { Shelf } from '../src/lib/photos/shelf';
import type { Listing, Summary } from '../src/types/wire';

/** A library as the server has it: ids by day, newest first. */
class Library {
  asked: string[] = [];
  broken = false;

  constructor(public days: Map<string, string[]>) {}

  timeline = async () => {
    await this.answer('timeline');
    const days = [...this.days].map(([day, ids]) => ({ day, count: ids.length, undated: 0 }));
    return { days: days.filter(({ count }) => count > 0), trashDays: 30 };
  };

  page = async ({ to, page, size }: { to: string; page: number; size: number }): Promise<Listing> => {
    await this.answer(`${to} ${page}`);
    const all = [...this.days].filter(([day]) => day <= to).flatMap(([day, ids]) => ids.map((id) => summary(id, day)));
    const items = all.slice(page * size, (page + 1) * size);
    return { items, page, size, totalElements: all.length, totalPages: 1 };
  };

  private async answer(asked: string) {
    this.asked.push(asked);
    await Promise.resolve();
    if (this.broken) throw new Error('no answer');
  }
}

function summary(photoId: string, day: string): Summary {
  const createdAt = `${day}T00:00:00.000Z`;
  return { photoId, jobId: 'j', filename: photoId, bytes: 1, status: 'COMPLETED', mimeType: 'x', createdAt, day };
}

function ids(day: string, count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, n) => `${day} ${from + n}`);
}

const DAY = (n: number) => new Date(Date.UTC(2024, 11, 31) - n * 86_400_000).toISOString().slice(0, 10);

async function opened(days: [string, string[]][]) {
  const library = new Library(new Map(days));
  const shelf = new Shelf(library);
  onTestFinished(() => {
    shelf.close();
  });
  shelf.open();
  await settled();
  return { library, shelf };
}

/** Every answer that is under way has come. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
const seen = (shelf: Shelf, first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, n) => shelf.at(first + n)?.photoId);

describe('Shelf', () => {
  it('fetches what is in sight, wherever that is, and nothing else', async () => {
    const { library, shelf } = await opened(Array.from({ length: 1_000 }, (_, n) => [DAY(n), ids(DAY(n), 10)]));
    expect(shelf.days?.total).toBe(10_000);
    shelf.look('grid', { first: 5_003, last: 5_060 });
    await settled();
    expect(seen(shelf, 5_003, 5_012)).toEqual([...ids(DAY(500), 7, 3), ...ids(DAY(501), 3)]);
    expect(library.asked).toEqual(['timeline', `${DAY(500)} 0`]);
    shelf.look('grid', { first: 5_010, last: 5_050 });
    await settled();
    expect(library.asked).toHaveLength(2);
  });

  it('goes into the middle of a day that has thousands', async () => {
    const { library, shelf } = await opened([[DAY(0), ids(DAY(0), 5_000)]]);
    shelf.look('grid', { first: 2_350, last: 2_420 });
    await settled();
    expect(seen(shelf, 2_350, 2_420)).toEqual(ids(DAY(0), 71, 2_350));
    expect(library.asked.slice(1)).toEqual([`${DAY(0)} 23`, `${DAY(0)} 24`]);
    expect(shelf.positionOf(`${DAY(0)} 2399`)).toBe(2_399);
  });

  it('asks for the newest place alone when somebody pulls through the years', async () => {
    const { library, shelf } = await opened([[DAY(0), ids(DAY(0), 9_000)]]);
    for (let first = 0; first < 8_000; first += 100) shelf.look('grid', { first, last: first + 50 });
    await settled();
    expect(library.asked.length).toBeLessThan(8);
    expect(shelf.at(7_950)?.photoId).toBe(`${DAY(0)} 7950`);
  });

  it('forgets what is far away', async () => {
    const { shelf } = await opened(Array.from({ length: 100 }, (_, n) => [DAY(n), ids(DAY(n), 100 + (n % 2) * 100)]));
    for (let first = 0; first < 15_000; first += 500) {
      shelf.look('grid', { first, last: first + 499 });
      await settled();
      expect(seen(shelf, first, first + 499).every(Boolean)).toBe(true);
    }
    const known = seen(shelf, 0, 14_999).filter(Boolean);
    expect(known.length).toBeLessThan(3_000);
  });

  it('shows what is new without a moment in which anything is empty, and keeps what has not changed', async () => {
    const { library, shelf } = await opened([
      [DAY(1), ids(DAY(1), 3)],
      [DAY(2), ids(DAY(2), 3)],
    ]);
    shelf.look('grid', { first: 0, last: 20 });
    await settled();
    const kept = shelf.at(4);
    const empty: number[] = [];
    shelf.subscribe(() => {
      for (let at = 0; at < (shelf.days?.total ?? 0); at++) if (!shelf.at(at)) empty.push(at);
    });
    library.days = new Map([
      [DAY(0), ['new']],
      [DAY(1), ['newer', ...ids(DAY(1), 3)]],
      [DAY(2), ids(DAY(2), 3)],
    ]);
    await shelf.refresh();
    expect(seen(shelf, 0, 4)).toEqual(['new', 'newer', ...ids(DAY(1), 3)]);
    expect(shelf.at(6)).toBe(kept);
    expect(empty).toEqual([]);
  });

  it('asks again at most once a second, however much comes', async () => {
    const { library, shelf } = await opened([[DAY(0), ids(DAY(0), 3)]]);
    for (let n = 0; n < 50; n++) {
      shelf.news(false);
      await Promise.resolve();
    }
    await settled();
    expect(library.asked.filter((asked) => asked === 'timeline')).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(library.asked.filter((asked) => asked === 'timeline')).toHaveLength(2);
  });

  it('sees what was put in the place of something else on the same day once everything may have changed', async () => {
    const { library, shelf } = await opened([[DAY(0), ['a', 'b']]]);
    shelf.look('grid', { first: 0, last: 1 });
    await settled();
    library.days.set(DAY(0), ['a', 'c']);
    await shelf.refresh();
    expect(seen(shelf, 0, 1)).toEqual(['a', 'b']);
    await shelf.refresh(true);
    expect(seen(shelf, 0, 1)).toEqual(['a', 'c']);
  });

  it('finds out by itself that photos went meanwhile', async () => {
    const { library, shelf } = await opened([
      [DAY(0), ids(DAY(0), 3)],
      [DAY(1), ids(DAY(1), 2)],
    ]);
    library.days.set(DAY(0), []);
    shelf.look('grid', { first: 0, last: 4 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(shelf.days?.total).toBe(2);
    expect(seen(shelf, 0, 1)).toEqual(ids(DAY(1), 2));
  });

  it('tells what went wrong, and goes on when asked again', async () => {
    const { library, shelf } = await opened([[DAY(0), ids(DAY(0), 3)]]);
    library.broken = true;
    shelf.look('grid', { first: 0, last: 2 });
    await settled();
    expect(shelf.error).toEqual(new Error('no answer'));
    expect(library.asked).toHaveLength(2);
    library.broken = false;
    await shelf.refresh(true);
    expect(shelf.error).toBeNull();
    expect(seen(shelf, 0, 2)).toEqual(ids(DAY(0), 3));
  });
});
