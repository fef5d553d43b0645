// Long tasks freeze the page from 50 ms on; well below that, it is time to let others in.
const TURN_MS = 12;

/** Let the page draw and answer before going on. Unlike a timer, this is not slowed down in hidden tabs. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** `items` mapped in order, with a breath whenever a turn has lasted long enough. */
export async function mapInTurns<T, U>(items: readonly T[], map: (item: T) => U): Promise<U[]> {
  const mapped: U[] = [];
  let began = performance.now();
  for (const item of items) {
    mapped.push(map(item));
    if (performance.now() - began < TURN_MS) continue;
    await breathe();
    began = performance.now();
  }
  return mapped;
}
