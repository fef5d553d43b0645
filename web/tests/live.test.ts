// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NetworkError } from '../src/lib/api/errors';
import { LiveClient } from '../src/lib/websocket/client';
import type { Blocks, Rung } from '../src/lib/websocket/policy';
import type { LivePorts, LiveState } from '../src/lib/websocket/ports';
import type { EventsSince, LiveEvent } from '../src/types/wire';
import { frame, StompServer, until, wake } from './stompServer';

const photoEvent = (seq: number) => ({ jobId: 'job_1', photoId: 'ph_1', status: 'PROCESSING', seq });
const jobEvent = (seq: number) => ({ jobId: 'job_1', status: 'IN_PROGRESS', seq });

let server: StompServer;
let client: LiveClient;
let states: LiveState[];
let over: (Rung | null)[];
let received: LiveEvent[];
let refused: string[];
let renewals: number;
let blocks: Blocks;
let answering: boolean;
/** What the long poll answers with; unset, it waits like one that has no news. */
let polled: EventsSince | null;
/** What was reported by a command. */
let commanded: unknown[];

/** A rung is a path of the test's server. */
function clientOf(rungs: readonly Rung[] = ['websocket']): LiveClient {
  const ask = async <T>(answer: T): Promise<T> => {
    if (!answering) throw new NetworkError('no answer');
    return Promise.resolve(answer);
  };
  const ports: LivePorts = {
    rungs,
    socket: (rung) => Promise.resolve(new WebSocket(`${server.url}/${rung}`)),
    memory: {
      load: () => blocks,
      save: (now) => {
        blocks = now;
      },
    },
    token: () => Promise.resolve(`token-${renewals}`),
    renew: () => {
      renewals++;
      wake();
      return Promise.resolve();
    },
    answers: () => Promise.resolve(answering),
    history: {
      events: (_, after, waitSeconds, signal) => {
        if (!polled || (polled.events.length === 0 && waitSeconds > 0))
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => {
              reject(new DOMException('Aborted', 'AbortError'));
            });
          });
        return ask({ ...polled, events: polled.events.filter(({ seq }) => (seq ?? 0) > after) });
      },
      snapshot: () => Promise.reject(new Error('not asked for here')),
    },
    activeJobs: () => ask({ items: [] }),
    progress: (updates) => {
      commanded.push(updates);
      return Promise.resolve();
    },
    onState: (state, rung) => {
      states.push(state);
      over.push(rung);
      wake();
    },
    onJob: () => undefined,
    onTold: (_, { events }) => {
      received.push(...events);
      wake();
    },
    onRefused: (jobId) => {
      refused.push(jobId);
      wake();
    },
  };
  return new LiveClient(ports);
}

beforeEach(async () => {
  server = new StompServer();
  await server.listening();
  states = [];
  over = [];
  received = [];
  refused = [];
  renewals = 0;
  blocks = {};
  answering = true;
  polled = null;
  commanded = [];
  client = clientOf();
});

afterEach(() => {
  client.close();
  server.close();
});

describe('LiveClient', () => {
  it('connects with the token in CONNECT, never in the URL, and says its states', async () => {
    client.open();
    await until(() => states.includes('live'));
    expect(states).toEqual(['connecting', 'live']);
    expect(server.frames[0]?.headers.Authorization).toBe('Bearer token-0');
    expect(server.asked).toEqual(['/websocket']);
  });

  it('is live once the server has taken what it listens to', async () => {
    const seen: (string | undefined)[] = [];
    server.onFrame = ({ command, headers }) => {
      if (command === 'SUBSCRIBE') seen.push(headers.destination, states.at(-1));
    };
    client.open();
    await until(() => states.includes('live'));
    expect(seen).toEqual(['/topic/jobs', 'connecting']);
  });

  it('takes a job up after a loss where it left off', async () => {
    client.watch('job_1', 0);
    client.open();
    await until(() => server.subscribes().length === 1);
    expect(server.subscribes()[0]?.headers).toMatchObject({ destination: '/topic/job/job_1/batch', after: '0' });
    server.message('job_1', [photoEvent(1), photoEvent(2), { jobId: 'job_1', photoId: 'ph_1', status: 'PROCESSING' }]);
    await until(() => received.length === 3);
    server.sockets.at(-1)?.terminate();
    await until(() => server.subscribes().length === 2);
    expect(server.subscribes()[1]?.headers.after).toBe('2');
    await until(() => states.length === 4);
    expect(states).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('has seen a snapshot only when the job’s own event has come', async () => {
    client.watch('job_1', 5);
    client.open();
    await until(() => server.subscribes().length === 1);
    const photo = { jobId: 'job_1', photoId: 'ph_1', status: 'COMPLETED' };
    server.message('job_1', [photo], 'snapshot');
    await until(() => received.length === 1);
    server.sockets.at(-1)?.terminate();
    await until(() => server.subscribes().length === 2);
    expect(server.subscribes()[1]?.headers.after).toBe('5');
    server.message('job_1', [photo, jobEvent(40)], 'snapshot');
    await until(() => received.length === 3);
    server.sockets.at(-1)?.terminate();
    await until(() => server.subscribes().length === 3);
    expect(server.subscribes()[2]?.headers.after).toBe('40');
  });

  it('passes nothing twice, and asks again from before a gap', async () => {
    client.watch('job_1', 0);
    client.open();
    await until(() => server.subscribes().length === 1);
    server.message('job_1', [photoEvent(1), photoEvent(1), photoEvent(2)]);
    server.message('job_1', [photoEvent(2), photoEvent(4), photoEvent(5)]);
    await until(() => server.subscribes().length === 2);
    expect(server.subscribes()[1]?.headers.after).toBe('2');
    server.message('job_1', [photoEvent(3), photoEvent(4)], 'replay');
    await until(() => received.length === 4);
    expect(received.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  it('lets go of a job that is refused, and goes on with the others', async () => {
    server.onFrame = ({ command, headers }, socket) => {
      if (command !== 'SUBSCRIBE' || !headers.destination?.includes('job_gone')) return;
      socket.send(frame('ERROR', { code: 'not-found', 'receipt-id': headers.receipt ?? '' }));
      socket.close();
    };
    client.watch('job_gone', 0);
    client.watch('job_1', 0);
    client.open();
    await until(() => refused.length === 1 && states.filter((state) => state === 'live').length === 2);
    await until(() => server.subscribes().some((one, at) => at > 1 && one.headers.destination?.includes('job_1')));
    expect(refused).toEqual(['job_gone']);
  });

  it('renews a token that has ended, and hands a renewed one over in band', async () => {
    let ended = false;
    server.onFrame = ({ command }, socket) => {
      if (command !== 'CONNECT' || ended) return;
      ended = true;
      socket.send(frame('ERROR', { code: 'token-expired' }));
      socket.close();
    };
    client.open();
    const connects = () => server.frames.filter(({ command }) => command === 'CONNECT');
    await until(() => connects().length === 2 && states.includes('live'));
    expect(connects().map(({ headers }) => headers.Authorization)).toEqual(['Bearer token-0', 'Bearer token-1']);
    client.renewed('token-2');
    await until(() => server.frames.some(({ command }) => command === 'SEND'));
    const send = server.frames.find(({ command }) => command === 'SEND');
    expect(send?.headers.destination).toBe('/app/token');
    expect(JSON.parse(send?.body ?? '')).toEqual({ token: 'token-2' });
  });

  it('reports what was sent in band', async () => {
    client.open();
    await until(() => states.includes('live'));
    const updates = [{ photoId: 'ph_1', bytesSent: 1, bytesTotal: 2 }];
    client.report(updates);
    await until(() => server.frames.some(({ command }) => command === 'SEND'));
    const send = server.frames.find(({ command }) => command === 'SEND');
    expect(send?.headers.destination).toBe('/app/progress');
    expect(JSON.parse(send?.body ?? '')).toEqual({ updates });
    expect(commanded).toEqual([]);
  });

  it('stays away once closed', async () => {
    client.open();
    await until(() => states.includes('live'));
    client.close();
    expect(states.at(-1)).toBe('closed');
    client.hurry();
    expect(states.at(-1)).toBe('closed');
  });
});

describe('LiveClient where not every way is open', () => {
  beforeEach(() => {
    client = clientOf(['websocket', 'streaming', 'polling']);
  });

  it('steps down to the next way that works, and remembers what did not', async () => {
    server.refuses.add('/websocket');
    client.open();
    await until(() => states.includes('live'));
    expect(server.asked).toEqual(['/websocket', '/streaming']);
    expect(over.at(-1)).toBe('streaming');
    expect(Object.keys(blocks)).toEqual(['websocket']);
    client.close();
    client = clientOf(['websocket', 'streaming', 'polling']);
    client.open();
    await until(() => over.at(-1) === 'streaming' && server.asked.length === 3);
    expect(server.asked.at(-1)).toBe('/streaming');
  });

  it('goes up to a better way that opens, with nothing missed and nothing twice', async () => {
    server.refuses.add('/websocket');
    client.watch('job_1', 0);
    client.open();
    await until(() => server.subscribes().length === 1);
    server.message('job_1', [photoEvent(1), photoEvent(2)], 'replay');
    await until(() => received.length === 2);
    server.refuses.clear();
    client.hurry(true);
    await until(() => server.subscribes().length === 2);
    await until(() => over.at(-1) === 'websocket');
    expect(server.subscribes()[1]?.headers.after).toBe('2');
    server.message('job_1', [photoEvent(3)], 'replay');
    await until(() => received.length === 3);
    expect(received.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(states).not.toContain('reconnecting');
  });

  it('asks where every way fails, and is live again where one opens, with each event once', async () => {
    for (const rung of ['/websocket', '/streaming', '/polling']) server.refuses.add(rung);
    polled = { events: [photoEvent(1), photoEvent(2)] as LiveEvent[], seq: 2 };
    client.watch('job_1', 0);
    client.open();
    await until(() => received.length === 2);
    expect(states.at(-1)).toBe('polling');
    expect(server.asked).toEqual(['/websocket', '/streaming', '/polling']);
    server.refuses.clear();
    client.hurry(true);
    await until(() => server.subscribes().length === 1);
    expect(server.subscribes()[0]?.headers.after).toBe('2');
    server.message('job_1', [photoEvent(2), photoEvent(3)], 'replay');
    await until(() => received.length === 3);
    expect(received.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(states.at(-1)).toBe('live');
  });

  it('blames no way while the server does not answer at all, and says so', async () => {
    answering = false;
    for (const rung of ['/websocket', '/streaming', '/polling']) server.refuses.add(rung);
    client.open();
    await until(() => states.includes('offline'));
    expect(new Set(server.asked)).toEqual(new Set(['/websocket']));
    expect(blocks).toEqual({});
  });

  it('only asks where no way is allowed, and reports by commands', async () => {
    client = clientOf([]);
    const updates = [{ photoId: 'ph_1', bytesSent: 1, bytesTotal: 2 }];
    client.report(updates); // nobody could take it
    client.open();
    await until(() => states.includes('polling'));
    client.report(updates);
    expect(server.asked).toEqual([]);
    expect(commanded).toEqual([updates]);
  });
});
