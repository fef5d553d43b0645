import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type WebSocket as Socket, WebSocketServer } from 'ws';

export interface Frame {
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

export function frame(command: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
  return `${[command, ...lines].join('\n')}\n\n${body}\0`;
}

/** A STOMP server that accepts everybody who names a known path, and writes down what they say. */
export class StompServer {
  readonly frames: Frame[] = [];
  readonly sockets: Socket[] = [];
  /** Paths whose upgrade is refused, as a proxy that knows no WebSocket does. */
  readonly refuses = new Set<string>();
  /** How often each path was asked for. */
  readonly asked: string[] = [];
  onFrame: (frame: Frame, socket: Socket) => void = () => undefined;
  private readonly server: WebSocketServer;

  constructor() {
    this.server = new WebSocketServer({
      port: 0,
      host: '127.0.0.1',
      verifyClient: ({ req }: { req: IncomingMessage }) => {
        const path = req.url ?? '';
        this.asked.push(path);
        wake();
        return !this.refuses.has(path);
      },
    });
    this.server.on('connection', (socket) => {
      this.sockets.push(socket);
      socket.on('message', (data: Buffer) => {
        const text = data.toString();
        if (text.trim() === '') return; // a heart-beat
        const received = parse(text);
        this.frames.push(received);
        if (received.command === 'CONNECT') socket.send(frame('CONNECTED', { version: '1.2', 'heart-beat': '0,0' }));
        if (received.headers.destination === '/topic/jobs' && received.headers.receipt)
          socket.send(frame('RECEIPT', { 'receipt-id': received.headers.receipt }));
        this.onFrame(received, socket);
        wake();
      });
    });
  }

  listening(): Promise<void> {
    return new Promise((resolve) => this.server.once('listening', resolve));
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The connections that are open. */
  open(): Socket[] {
    return this.sockets.filter((socket) => socket.readyState === socket.OPEN);
  }

  /** The SUBSCRIBE frames to jobs, in the order of their coming. */
  subscribes(): Frame[] {
    return this.frames.filter(
      ({ command, headers }) => command === 'SUBSCRIBE' && headers.destination !== '/topic/jobs',
    );
  }

  /** Send events under the last subscription to a job, on the newest connection. */
  message(jobId: string, events: object[], recovered?: 'replay' | 'snapshot'): void {
    const destination = `/topic/job/${jobId}/batch`;
    const subscription = this.subscribes().findLast(({ headers }) => headers.destination === destination)?.headers.id;
    const headers = {
      subscription: subscription ?? '',
      'message-id': '1',
      destination,
      ...(recovered && { recovered }),
    };
    this.sockets.at(-1)?.send(frame('MESSAGE', headers, JSON.stringify(events)));
  }

  close(): void {
    for (const socket of this.sockets) socket.terminate();
    this.server.close();
  }
}

let waiters: (() => void)[] = [];

/** Something has happened: let those who wait look again. */
export function wake(): void {
  const all = waiters;
  waiters = [];
  for (const look of all) look();
}

/** Resolves when `met` holds; it is looked at after everything that calls `wake`. */
export function until(met: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (met()) resolve();
      else waiters.push(look);
    };
    look();
  });
}
