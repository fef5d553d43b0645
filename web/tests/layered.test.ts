import { expect, it } from 'vitest';
import { Layered, LayeredDraft } from '../src/stores/layered';

it('keeps every version as it was, and is one map to whoever reads it', () => {
  // A small generator, so that every run is the same.
  let seed = 7;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let map = new Layered<number, string>();
  let plain = new Map<number, string>();
  const versions: [Layered<number, string>, Map<number, string>][] = [];
  for (let step = 0; step < 200; step++) {
    const draft = new LayeredDraft(map);
    plain = new Map(plain);
    for (let change = random(60); change > 0; change--) {
      const [key, value] = [random(600), `${step} ${change}`];
      draft.set(key, value);
      plain.set(key, value);
    }
    if (random(20) === 0) {
      const keys = [random(600), random(600)];
      draft.deleteAll(keys);
      for (const key of keys) plain.delete(key);
    }
    map = draft.done();
    if (step % 10 === 0) versions.push([map, plain]);
  }
  for (const [version, expected] of versions) {
    expect(version.size).toBe(expected.size);
    expect(new Set(version.values())).toEqual(new Set(expected.values()));
    expect([...expected].filter(([key, value]) => version.get(key) !== value || !version.has(key))).toEqual([]);
  }
});

it('is itself where nothing has changed', () => {
  const map = new Layered<string, number>();
  expect(new LayeredDraft(map).done()).toBe(map);
});
