// @vitest-environment happy-dom
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket as Socket, WebSocketServer } from 'ws';
import { LiveClient, type LiveState } from '../src/lib/websocket/client';
import type { LiveEvent } from '../src/types/wire';

interface Frame {
  command: string;
  headers: Record<string, string>;
  body: string;
}

function parse(text: string): Frame {
  const [head = '', body = ''] = text.replace(/\0$/, '').split('\n\n');
  const [command = '', ...lines] = head.split('\n');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  return { command, headers: Object.fromEntries(headers) as Record<string, string>, body };
}

function frame(command: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  return `${[command, ...lines].join('\n')}\n\n${body}\0`;
}

/** A STOMP server that accepts everybody and writes down what they say. */
class StompServer {
  readonly frames: Frame[] = [];
  readonly sockets: Socket[] = [];
  onFrame: (frame: Frame, socket: Socket) => void = () => undefined;
  private readonly server = new WebSocketServer({ port: 0, host: '127.0.0.1' });

  constructor() {
    this.server.on('connection', (socket) => {
      this.sockets.push(socket);
      socket.on('message', (data: Buffer) => {
        const text = data.toString();
        if (text.trim() === '') return; // a heart-beat
        const received = parse(text);
        this.frames.push(received);
        if (received.command === 'CONNECT') socket.send(frame('CONNECTED', { version: '1.2', 'heart-beat': '0,0' }));
        this.onFrame(received, socket);
        wake();
      });
    });
  }

  listening(): Promise<void> {
    return new Promise((resolve) => this.server.once('listening', resolve));
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/ws`;
  }

  subscribes(): Frame[] {
    return this.frames.filter(
      ({ command, headers }) => command === 'SUBSCRIBE' && headers.destination !== '/topic/jobs',
    );
  }

  message(jobId: string, events: object[]): void {
    const headers = { subscription: `job-${jobId}`, 'message-id': '1', destination: `/topic/job/${jobId}/batch` };
    this.sockets.at(-1)?.send(frame('MESSAGE', headers, JSON.stringify(events)));
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
    this.server.close();
  }
}

let waiters: (() => void)[] = [];
function wake(): void {
  const all = waiters;
  waiters = [];
  for (const look of all) look();
}
function until(met: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (met()) resolve();
      else waiters.push(look);
    };
    look();
  });
}

const photoEvent = (seq: number) => ({ jobId: 'job_1', photoId: 'ph_1', status: 'PROCESSING', seq });
const jobEvent = (seq: number) => ({ jobId: 'job_1', status: 'IN_PROGRESS', seq });

let server: StompServer;
let client: LiveClient;
let states: LiveState[];
let received: LiveEvent[];
let refused: string[];
let renewals: number;

beforeEach(async () => {
  server = new StompServer();
  await server.listening();
  states = [];
  received = [];
  refused = [];
  renewals = 0;
  client = new LiveClient({
    url: () => server.url,
    token: () => Promise.resolve(`token-${renewals}`),
    renew: () => {
      renewals++;
      wake();
      return Promise.resolve();
    },
    onState: (state) => {
      states.push(state);
      wake();
    },
    onJobs: () => undefined,
    onEvents: (_, events) => {
      received.push(...events);
      wake();
    },
    onRefused: (jobId) => {
      refused.push(jobId);
      wake();
    },
  });
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
    expect(server.url).not.toContain('token');
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
    expect(states).toEqual(['connecting', 'live', 'reconnecting', 'live']);
  });

  it('has seen a snapshot only when the job’s own event has come', async () => {
    client.watch('job_1', 5);
    client.open();
    await until(() => server.subscribes().length === 1);
    const photo = { jobId: 'job_1', photoId: 'ph_1', status: 'COMPLETED' };
    server.message('job_1', [photo]);
    await until(() => received.length === 1);
    server.sockets.at(-1)?.terminate();
    await until(() => server.subscribes().length === 2);
    expect(server.subscribes()[1]?.headers.after).toBe('5');
    server.message('job_1', [photo, jobEvent(40)]);
    await until(() => received.length === 3);
    server.sockets.at(-1)?.terminate();
    await until(() => server.subscribes().length === 3);
    expect(server.subscribes()[2]?.headers.after).toBe('40');
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
    await until(() => connects().length === 2 && states.filter((state) => state === 'live').length === 2);
    expect(connects().map(({ headers }) => headers.Authorization)).toEqual(['Bearer token-0', 'Bearer token-1']);
    client.renewed('token-2');
    await until(() => server.frames.some(({ command }) => command === 'SEND'));
    const send = server.frames.find(({ command }) => command === 'SEND');
    expect(send?.headers.destination).toBe('/app/token');
    expect(JSON.parse(send?.body ?? '')).toEqual({ token: 'token-2' });
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
