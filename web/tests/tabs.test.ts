import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiError } from '../src/lib/api/errors';
import type { Live } from '../src/lib/websocket/leader';
import { Place, type Told } from '../src/lib/websocket/place';
import type { LivePorts } from '../src/lib/websocket/ports';
import { type Locks, SharedLive } from '../src/lib/websocket/tabs';
import type { LiveEvent } from '../src/types/wire';
import { until, wake } from './stompServer';

const event = (seq: number) => ({ jobId: 'job_1', photoId: 'ph_1', status: 'PROCESSING', seq }) as LiveEvent;
const jobEvent = (seq: number) => ({ jobId: 'job_1', status: 'IN_PROGRESS', seq }) as LiveEvent;

/** Web Locks of one browser, in memory: one holder a name, the others in a line. */
class MemoryLocks implements Locks {
  private readonly holders = new Map<string, { lose: () => void }>();
  private readonly lines = new Map<string, (() => void)[]>();

  request(name: string, options: { signal?: AbortSignal; steal?: boolean }, held: () => Promise<unknown>) {
    return new Promise((resolve, reject) => {
      const aborted = () => new DOMException('The lock is another’s', 'AbortError');
      const grant = () => {
        if (options.signal?.aborted) {
          reject(aborted());
          this.next(name);
          return;
        }
        const holder = {
          lose: () => {
            reject(aborted());
          },
        };
        this.holders.set(name, holder);
        void Promise.resolve()
          .then(held)
          .then((value) => {
            resolve(value);
            if (this.holders.get(name) === holder) this.next(name);
          });
      };
      if (options.steal) {
        this.holders.get(name)?.lose();
        grant();
      } else if (this.holders.has(name)) {
        this.lines.set(name, [...(this.lines.get(name) ?? []), grant]);
      } else {
        grant();
      }
    });
  }

  private next(name: string): void {
    this.holders.delete(name);
    const [first, ...others] = this.lines.get(name) ?? [];
    this.lines.set(name, others);
    first?.();
  }
}

/** The server's side: each job's numbered events, told to whoever is connected. */
class World {
  readonly locks = new MemoryLocks();
  readonly connections: Connection[] = [];
  readonly fetched: string[] = [];
  readonly gone = new Set<string>();
  private readonly log = new Map<string, LiveEvent[]>();

  emit(jobId: string, count: number): void {
    const log = this.log.get(jobId) ?? [];
    this.log.set(jobId, log);
    for (let n = 0; n < count; n++) log.push(event(log.length + 1));
    for (const connection of this.connections) connection.deliver(jobId);
  }

  after(jobId: string, seq: number): LiveEvent[] {
    return (this.log.get(jobId) ?? []).slice(seq);
  }
}

/** One connection of a leading tab, which delivers what a place has not seen. */
class Connection implements Live {
  readonly watched = new Map<string, Place>();
  readonly reports: unknown[] = [];
  opened = false;
  closed = false;
  hurried = 0;

  constructor(
    private readonly world: World,
    private readonly ports: Pick<LivePorts, 'onState' | 'onJob' | 'onTold' | 'onRefused'>,
  ) {
    world.connections.push(this);
  }

  open(): void {
    this.opened = true;
    this.ports.onState('live', 'websocket');
    wake();
  }
  close(): void {
    this.closed = true;
    wake();
  }
  hurry(): void {
    this.hurried++;
  }
  wake(): void {
    wake();
  }
  watch(jobId: string, seq: number): number {
    const place = this.watched.get(jobId) ?? new Place(seq);
    if (!this.watched.has(jobId)) {
      this.watched.set(jobId, place);
      queueMicrotask(() => {
        this.deliver(jobId);
      });
    }
    return place.seq;
  }
  unwatch(jobId: string): void {
    this.watched.delete(jobId);
    wake();
  }
  renewed(): void {
    wake();
  }
  report(updates: unknown): void {
    this.reports.push(updates);
    wake();
  }
  deliver(jobId: string): void {
    const place = this.watched.get(jobId);
    if (!place || this.closed) return;
    const taken = place.take({ events: this.world.after(jobId, place.seq) });
    if (taken.events.length > 0) this.ports.onTold(jobId, { events: taken.events });
  }
}

let world: World;
let tabs: Tab[];

/** One tab and what it saw. */
class Tab {
  readonly seen: LiveEvent[] = [];
  readonly states: string[] = [];
  readonly refused: string[] = [];
  visible = true;
  channel: BroadcastChannel | null = null;
  readonly live: SharedLive;

  constructor(user = 'anna', locks: Locks | null = world.locks) {
    this.live = new SharedLive({
      name: `live test ${user}`,
      locks,
      channel: (name) => (this.channel = new BroadcastChannel(name)),
      lead: (ports) => new Connection(world, ports),
      since: (jobId, seq): Promise<Told> => {
        world.fetched.push(`${jobId} ${seq}`);
        if (world.gone.has(jobId)) return Promise.reject(new ApiError(404, 'not-found', 'Gone.'));
        return Promise.resolve({ events: world.after(jobId, seq), recovered: 'replay' });
      },
      visible: () => this.visible,
      onState: (state, _, mirrored) => {
        this.states.push(mirrored ? `${state}, mirrored` : state);
        wake();
      },
      onJob: () => undefined,
      onEvents: (_, events) => {
        this.seen.push(...events);
        wake();
      },
      onRefused: (jobId) => {
        this.refused.push(jobId);
        wake();
      },
    });
    tabs.push(this);
    this.live.open();
  }

  /** Hear nothing and say nothing, but keep the lock, as a frozen page does; returns how to wake up. */
  freeze(): () => void {
    const { channel } = this;
    if (!channel) throw new Error('This tab shares nothing.');
    const { onmessage } = channel;
    channel.onmessage = () => undefined;
    return () => {
      channel.onmessage = onmessage;
    };
  }

  get seqs(): (number | undefined)[] {
    return this.seen.map(({ seq }) => seq);
  }

  /** Resolves when it is live, by whomever. */
  ready(): Promise<void> {
    return until(() => this.states.at(-1)?.startsWith('live') === true);
  }
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);
const open = () => world.connections.filter(({ opened, closed }) => opened && !closed);

beforeEach(() => {
  world = new World();
  tabs = [];
});

afterEach(() => {
  for (const { live } of tabs) live.close();
});

describe('SharedLive', () => {
  it('holds one connection for all tabs, and each sees every event once', async () => {
    const [one, two, three] = [new Tab(), new Tab(), new Tab()];
    await Promise.all([one, two, three].map((tab) => tab.ready()));
    expect(world.connections).toHaveLength(1);
    for (const tab of [one, two, three]) tab.live.watch('job_1', 0);
    world.emit('job_1', 3);
    await until(() => [one, two, three].every(({ seen }) => seen.length >= 3));
    world.emit('job_1', 2);
    await until(() => [one, two, three].every(({ seen }) => seen.length >= 5));
    for (const tab of [one, two, three]) expect(tab.seqs).toEqual(upTo(5));
    expect(two.states.at(-1)).toBe('live, mirrored');
  });

  it('fetches what a late tab missed, and joins it to what goes on', async () => {
    const one = new Tab();
    await one.ready();
    one.live.watch('job_1', 0);
    world.emit('job_1', 10);
    await until(() => one.seen.length === 10);
    const late = new Tab();
    await late.ready();
    late.live.watch('job_1', 4);
    world.emit('job_1', 2);
    await until(() => late.seen.length >= 8 && one.seen.length >= 12);
    expect(late.seqs).toEqual(upTo(12).slice(4));
    expect(one.seqs).toEqual(upTo(12));
    expect(world.fetched).toEqual(['job_1 4']);
  });

  it('passes nothing twice to a tab that is ahead of the one that leads', async () => {
    const one = new Tab();
    await one.ready();
    one.live.watch('job_1', 0);
    const ahead = new Tab();
    await ahead.ready();
    ahead.live.watch('job_1', 3);
    world.emit('job_1', 5);
    await until(() => ahead.seen.length >= 2 && one.seen.length >= 5);
    expect(ahead.seqs).toEqual([4, 5]);
  });

  it('goes on without a gap or a repetition when the tab that leads is closed', async () => {
    const [one, two, three] = [new Tab(), new Tab(), new Tab()];
    await Promise.all([one, two, three].map((tab) => tab.ready()));
    for (const tab of [one, two, three]) tab.live.watch('job_1', 0);
    world.emit('job_1', 5);
    await until(() => [two, three].every(({ seen }) => seen.length >= 5));
    const began = performance.now();
    one.live.close();
    world.emit('job_1', 3);
    await until(() => [two, three].every(({ seen }) => seen.length >= 8));
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(two.seqs).toEqual(upTo(8));
    expect(three.seqs).toEqual(upTo(8));
    expect(open()).toHaveLength(1);
    expect(two.states.at(-1)).toBe('live');
  });

  it('takes the lead from a tab that has frozen, which stands behind once it wakes', async () => {
    const one = new Tab();
    await one.ready();
    one.live.watch('job_1', 0);
    const thaw = one.freeze();
    const two = new Tab();
    two.live.watch('job_1', 0);
    await two.ready();
    expect(two.states.at(-1)).toBe('live');
    thaw();
    world.emit('job_1', 2);
    await until(() => two.seen.length >= 2 && one.seen.length >= 2);
    expect(open()).toHaveLength(1);
    expect(one.seqs).toEqual([1, 2]);
  });

  it('never takes the lead while nobody looks', async () => {
    const one = new Tab();
    await one.ready();
    one.freeze();
    const two = new Tab();
    two.visible = false;
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    expect(world.connections).toHaveLength(1);
    expect(two.states).toEqual(['connecting, mirrored']);
  });

  it('lets go of what only a closed tab wanted', async () => {
    const [one, two] = [new Tab(), new Tab()];
    await Promise.all([one.ready(), two.ready()]);
    one.live.watch('job_1', 0);
    two.live.watch('job_1', 0);
    two.live.watch('job_2', 0);
    await until(() => world.connections[0]?.watched.size === 2);
    two.live.close();
    await until(() => world.connections[0]?.watched.size === 1);
    expect([...(world.connections[0]?.watched.keys() ?? [])]).toEqual(['job_1']);
  });

  it('shares nothing between different people', async () => {
    const [anna, bert] = [new Tab('anna'), new Tab('bert')];
    await Promise.all([anna.ready(), bert.ready()]);
    expect(open()).toHaveLength(2);
    anna.live.watch('job_1', 0);
    bert.live.watch('job_2', 0);
    world.emit('job_1', 2);
    await until(() => anna.seen.length >= 2);
    expect(bert.seen).toEqual([]);
  });

  it('gives each tab a connection of its own where the browser has no locks', async () => {
    const [one, two] = [new Tab('anna', null), new Tab('anna', null)];
    await Promise.all([one.ready(), two.ready()]);
    expect(open()).toHaveLength(2);
    two.live.watch('job_1', 0);
    world.emit('job_1', 1);
    await until(() => two.seen.length >= 1);
    expect(one.seen).toEqual([]);
  });

  it('reports the newest count of each photo by the one connection', async () => {
    const [one, two] = [new Tab(), new Tab()];
    await Promise.all([one.ready(), two.ready()]);
    for (const bytesSent of [1, 2, 3]) two.live.report({ photoId: 'ph_1', bytesSent, bytesTotal: 9 });
    await until(() => world.connections[0]?.reports.length === 1);
    expect(world.connections[0]?.reports).toEqual([[{ photoId: 'ph_1', bytesSent: 3, bytesTotal: 9 }]]);
  });

  it('lets go of a job that is gone when a late tab asks for it', async () => {
    const one = new Tab();
    await one.ready();
    one.live.watch('job_1', 0);
    world.emit('job_1', 3);
    await until(() => one.seen.length === 3);
    world.gone.add('job_1');
    const late = new Tab();
    await late.ready();
    late.live.watch('job_1', 1);
    await until(() => late.refused.length === 1);
    expect(late.seen).toEqual([]);
  });
});

describe('Place', () => {
  it('passes each number once, in order, and stops at a gap', () => {
    const place = new Place(2);
    expect(place.take({ events: [event(1), event(2), event(3)] })).toEqual({ events: [event(3)], gap: false });
    expect(place.take({ events: [event(4), event(6), event(7)] })).toEqual({ events: [event(4)], gap: true });
    expect(place.seq).toBe(4);
  });

  it('always passes what has no number', () => {
    const bytes = { ...event(0), seq: undefined } as unknown as LiveEvent;
    expect(new Place(9).take({ events: [bytes, bytes] }).events).toHaveLength(2);
  });

  it('jumps by a whole snapshot, but not by the end of one whose beginning it has not seen', () => {
    const photo = { jobId: 'job_1', photoId: 'ph_1', status: 'COMPLETED' } as LiveEvent;
    const whole = new Place(5);
    expect(whole.take({ events: [photo], recovered: 'snapshot' }).gap).toBe(false);
    expect(whole.seq).toBe(5);
    expect(whole.take({ events: [photo, jobEvent(40), event(41)] }).gap).toBe(false);
    expect(whole.seq).toBe(41);
    const half = new Place(5);
    expect(half.take({ events: [photo, jobEvent(40)] })).toEqual({ events: [photo], gap: true });
  });
});
