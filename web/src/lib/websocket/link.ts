import { Client, type IFrame, type IMessage, type IStompSocket } from '@stomp/stompjs';
import type { LiveEvent } from '../../types/wire';
import type { Told } from './place';

const HEART_BEAT_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;

/** The ERROR with which the server ended a connection. */
export interface Refusal {
  code: string | undefined;
  receiptId: string | undefined;
}

export interface LinkPorts {
  open: () => Promise<IStompSocket>;
  token: () => Promise<string>;
  /** Milliseconds that it may take to be connected. */
  within: number;
  onUp: () => void;
  /** Never came up, or broke: once, and not after `close`. */
  onDown: (refusal: Refusal | null) => void;
}

/**
 * One STOMP connection over one socket: it comes up once, ends once, and is not used again. (A stompjs Client reconnects by
 * itself, but without jitter, without a change of transport, and without its subscriptions.)
 */
export class Link {
  private client: Client | null = null;
  private refusal: Refusal | null = null;
  private ended = false;
  private readonly timer: ReturnType<typeof setTimeout>;

  constructor(private readonly ports: LinkPorts) {
    this.timer = setTimeout(() => {
      this.end();
    }, ports.within);
    this.start().catch(() => {
      this.end(); // signed out, or the transport's code could not be fetched
    });
  }

  get connected(): boolean {
    return !this.ended && this.client?.connected === true;
  }

  /** Begin to receive from a destination; returns how to stop. */
  subscribe(destination: string, headers: Record<string, string>, onTold: (told: Told) => void): () => void {
    if (!this.connected || !this.client) return () => undefined;
    const subscription = this.client.subscribe(
      destination,
      (message) => {
        if (!this.ended) onTold(toldBy(message));
      },
      headers,
    );
    return () => {
      if (this.connected) subscription.unsubscribe();
    };
  }

  /** Call back when the server has taken the frame that asked for this receipt. */
  onReceipt(receipt: string, taken: () => void): void {
    if (!this.connected) return;
    this.client?.watchForReceipt(receipt, () => {
      if (!this.ended) taken();
    });
  }

  /** Send a message, where connected. */
  publish(destination: string, body: object): void {
    if (this.connected) this.client?.publish({ destination, body: JSON.stringify(body) });
  }

  /** Leave, and say no more. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    const { client } = this;
    if (!client) return;
    if (!client.connected) void client.deactivate({ force: true });
    else {
      void client.deactivate();
      // A line that is dead does not answer the farewell either.
      setTimeout(() => void client.deactivate({ force: true }), CLOSE_WITHIN_MS);
    }
  }

  private async start(): Promise<void> {
    const [token, socket] = [await this.ports.token(), await this.ports.open()];
    if (this.ended) {
      socket.close();
      return;
    }
    this.client = new Client({
      webSocketFactory: () => socket,
      connectHeaders: { Authorization: `Bearer ${token}` },
      reconnectDelay: 0,
      heartbeatIncoming: HEART_BEAT_MS,
      heartbeatOutgoing: HEART_BEAT_MS,
      discardWebsocketOnCommFailure: true,
      onConnect: () => {
        clearTimeout(this.timer);
        if (!this.ended) this.ports.onUp();
      },
      onStompError: ({ headers }: IFrame) => {
        this.refusal = { code: headers.code, receiptId: headers['receipt-id'] };
      },
      onWebSocketClose: () => {
        this.end();
      },
    });
    this.client.activate();
  }

  private end(): void {
    if (this.ended) return;
    this.close();
    this.ports.onDown(this.refusal);
  }
}

/** The events of a MESSAGE: one, or those of a flush as a list. */
function toldBy({ body, headers }: IMessage): Told {
  const parsed: unknown = JSON.parse(body);
  const { recovered } = headers;
  return {
    events: (Array.isArray(parsed) ? parsed : [parsed]) as LiveEvent[],
    recovered: recovered === 'replay' || recovered === 'snapshot' ? recovered : undefined,
  };
}
