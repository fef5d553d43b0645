import { Client, type IFrame, type IMessage, type StompSubscription } from '@stomp/stompjs';
import { isPhotoEvent, type LiveEvent } from '../../types/wire';
import { jitteredDelay } from '../upload/backoff';

/** What the live channel itself is at; `polling` and `offline` are found out beside it (useWebSocket). */
export type LiveState = 'connecting' | 'live' | 'reconnecting' | 'closed';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 5_000;
const HEART_BEAT_MS = 10_000;
const CONNECT_WITHIN_MS = 10_000;

export interface LivePorts {
  url: () => string;
  /** A token that has not expired, renewed first where it has. */
  token: () => Promise<string>;
  /** The server says that the token has ended: renew it. Rejects where that is refused. */
  renew: () => Promise<unknown>;
  onState: (state: LiveState) => void;
  /** A JobStatusUpdate of any of the caller's jobs, without regard to their order. */
  onJobs: (event: LiveEvent) => void;
  /** Events of a job that is watched, in order. */
  onEvents: (jobId: string, events: LiveEvent[]) => void;
  /** A job may not be watched any more: it is gone, or not the caller's. */
  onRefused: (jobId: string) => void;
}

interface Watched {
  /** The last `seq` that was seen: where a new subscription goes on. */
  seq: number;
  subscription: StompSubscription | null;
}

/**
 * The live channel: connects, comes back after every loss with full jitter (within one second at first, never later than
 * five), and takes up each job where it left off.
 */
export class LiveClient {
  private client: Client | null = null;
  private readonly watched = new Map<string, Watched>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private state: LiveState = 'closed';

  constructor(private readonly ports: LivePorts) {}

  /** Connect, and stay connected until `close`. */
  open(): void {
    if (this.state !== 'closed') return;
    this.become('connecting');
    void this.connect();
  }

  /** Leave, and stay away. */
  close(): void {
    clearTimeout(this.timer);
    this.drop();
    this.watched.clear();
    this.become('closed');
  }

  /** Try now instead of later: the network came back, or somebody looks. */
  hurry(): void {
    if (this.state !== 'reconnecting') return;
    clearTimeout(this.timer);
    void this.connect();
  }

  /** Follow a job's events from `seq` on. */
  watch(jobId: string, seq: number): void {
    if (this.watched.has(jobId)) return;
    const watched: Watched = { seq, subscription: null };
    this.watched.set(jobId, watched);
    if (this.client?.connected) this.subscribe(this.client, jobId, watched);
  }

  /** Stop following a job. */
  unwatch(jobId: string): void {
    const watched = this.watched.get(jobId);
    this.watched.delete(jobId);
    if (this.client?.connected) watched?.subscription?.unsubscribe();
  }

  /** Hand over a renewed token, so that delivery does not end with the old one. */
  renewed(token: string): void {
    if (this.client?.connected) this.client.publish({ destination: '/app/token', body: JSON.stringify({ token }) });
  }

  private async connect(): Promise<void> {
    this.drop();
    let token: string;
    try {
      token = await this.ports.token();
    } catch {
      this.retry(); // out of reach; or signed out, then `close` follows
      return;
    }
    if (this.state === 'closed') return;
    this.drop();
    // One Client a connection: its own reconnection has no jitter and does not restore subscriptions.
    const client = new Client({
      webSocketFactory: () => new WebSocket(this.ports.url(), ['v12.stomp', 'v11.stomp', 'v10.stomp']),
      connectHeaders: { Authorization: `Bearer ${token}` },
      reconnectDelay: 0,
      connectionTimeout: CONNECT_WITHIN_MS,
      heartbeatIncoming: HEART_BEAT_MS,
      heartbeatOutgoing: HEART_BEAT_MS,
      discardWebsocketOnCommFailure: true,
      onConnect: () => {
        if (this.client === client) this.connected(client);
      },
      onStompError: (frame) => {
        if (this.client === client) this.refused(frame);
      },
      onWebSocketClose: () => {
        if (this.client === client) this.retry();
      },
    });
    this.client = client;
    client.activate();
  }

  private connected(client: Client): void {
    this.failures = 0;
    this.become('live');
    client.subscribe('/topic/jobs', (message) => {
      for (const event of eventsOf(message)) this.ports.onJobs(event);
    });
    for (const [jobId, watched] of this.watched) this.subscribe(client, jobId, watched);
  }

  private subscribe(client: Client, jobId: string, watched: Watched): void {
    const deliver = (message: IMessage) => {
      if (this.watched.get(jobId) !== watched) return;
      const events = eventsOf(message);
      for (const event of events) {
        // A snapshot ends with the job's own event; only then has all before its `seq` been seen.
        if (event.seq !== undefined && (event.seq > watched.seq || !isPhotoEvent(event))) watched.seq = event.seq;
      }
      this.ports.onEvents(jobId, events);
    };
    watched.subscription = client.subscribe(`/topic/job/${jobId}/batch`, deliver, {
      id: `job-${jobId}`,
      after: String(watched.seq),
      receipt: `subscribe-${jobId}`,
    });
  }

  private refused(frame: IFrame): void {
    const { code } = frame.headers;
    if (code === 'token-expired' || code === 'unauthenticated') {
      // Renewed, or signed out where that is refused: the close that follows does the rest.
      this.ports.renew().catch(() => undefined);
    } else if (code === 'not-found') {
      const jobId = frame.headers['receipt-id']?.replace(/^subscribe-/, '');
      if (jobId) {
        this.watched.delete(jobId);
        this.ports.onRefused(jobId);
      }
    }
  }

  private retry(): void {
    if (this.state === 'closed') return;
    this.drop();
    this.become('reconnecting');
    const wait = jitteredDelay(this.failures++, { base: FIRST_RETRY_MS, cap: LONGEST_RETRY_MS });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.connect(), wait);
  }

  private drop(): void {
    const { client } = this;
    this.client = null;
    for (const watched of this.watched.values()) watched.subscription = null;
    if (client) void client.deactivate({ force: !client.connected });
  }

  private become(state: LiveState): void {
    if (state === this.state) return;
    this.state = state;
    this.ports.onState(state);
  }
}

/** The events of a MESSAGE: one, or those of a flush as a list. */
function eventsOf(message: IMessage): LiveEvent[] {
  const body: unknown = JSON.parse(message.body);
  return (Array.isArray(body) ? body : [body]) as LiveEvent[];
}
