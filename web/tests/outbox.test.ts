import { expect, it } from 'vitest';
import { Outbox } from '../src/lib/websocket/outbox';

const sent = (photoId: string, bytesSent: number) => ({ photoId, bytesSent, bytesTotal: 100 });

it('keeps the newest of each photo, and gives all away at once', () => {
  const outbox = new Outbox();
  outbox.put(sent('ph_1', 10));
  outbox.put(sent('ph_2', 10));
  outbox.put(sent('ph_1', 20));
  expect(outbox.take()).toEqual([sent('ph_2', 10), sent('ph_1', 20)]);
  expect(outbox.size).toBe(0);
});

it('lets go of the oldest beyond its bound', () => {
  const outbox = new Outbox(2);
  for (const photoId of ['ph_1', 'ph_2', 'ph_1', 'ph_3']) outbox.put(sent(photoId, 1));
  expect(outbox.take().map(({ photoId }) => photoId)).toEqual(['ph_1', 'ph_3']);
});
