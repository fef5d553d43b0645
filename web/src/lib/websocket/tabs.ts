import type { JobStatusUpdate, LiveEvent } from '../../types/wire';
import { type Lead, Leader, type News, type Request } from './leader';
import { Outbox, type Sent } from './outbox';
import type { Told } from './place';
import type { Rung } from './policy';
import type { LiveState } from './ports';
import { Pursuit } from './pursuit';

const REPORT_EVERY_MS = 500;
// A hidden page answers messages at once; one that does not is frozen, and its lock is taken from it.
const ANSWER_WITHIN_MS = 3_000;
const ASK_EVERY_MS = 10_000;
const ASK_SOON_MS = 3_000;

/** As much of Web Locks as is needed: a name is held by one at a time, until what `held` returns is done. */
export interface Locks {
  request(
    name: string,
    options: { signal?: AbortSignal; steal?: boolean },
    held: () => Promise<unknown>,
  ): Promise<unknown>;
}

export type Channel = Pick<BroadcastChannel, 'postMessage' | 'close' | 'onmessage'>;

export interface SharedPorts {
  /** The same for tabs that may share a connection: of one server and one person. */
  name: string;
  /** Null where the browser has none (a page that came over plain HTTP): then each tab has a connection of its own. */
  locks: Locks | null;
  channel: (name: string) => Channel;
  lead: Lead;
  since: (jobId: string, seq: number, signal: AbortSignal) => Promise<Told>;
  /** Whether somebody looks at this tab. */
  visible: () => boolean;
  onState: (state: LiveState, over: Rung | null, mirrored: boolean) => void;
  onJob: (event: JobStatusUpdate) => void;
  onEvents: (jobId: string, events: LiveEvent[]) => void;
  onRefused: (jobId: string) => void;
}

/**
 * The live channel of all tabs of a browser: one of them leads and holds the connection, the others mirror it. When it goes,
 * the next takes over; when it freezes, one that is looked at takes the lead from it.
 */
export class SharedLive {
  private readonly tab = crypto.getRandomValues(new Uint32Array(4)).join('-');
  private readonly pursuits = new Map<string, Pursuit>();
  private readonly outbox = new Outbox();
  private readonly channel: Channel | null;
  private leader: Leader | null = null;
  private state: LiveState = 'closed';
  private readonly ended = new AbortController();
  private release: () => void = () => undefined;
  private asking: ReturnType<typeof setTimeout> | undefined;
  private unanswered: ReturnType<typeof setTimeout> | undefined;
  private reporting: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ports: SharedPorts) {
    this.channel = ports.locks && ports.channel(ports.name);
    if (this.channel) {
      this.channel.onmessage = ({ data }: MessageEvent<Request | News>) => {
        if (data.to === 'leader') this.requested(data);
        else this.heard(data);
      };
    }
  }

  open(): void {
    const { locks } = this.ports;
    this.heard({ to: 'tabs', say: 'state', state: 'connecting', over: null });
    if (!locks) {
      this.begin();
      return;
    }
    const { signal } = this.ended;
    // Held while this tab lives, so that the leader knows when it has gone, however it went.
    const alive = () => {
      this.hello();
      this.ask();
      void this.stand({ signal });
      return new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
    };
    locks.request(`${this.ports.name} ${this.tab}`, { signal }, alive).catch(ignored);
  }

  close(): void {
    this.ended.abort();
    clearTimeout(this.asking);
    clearTimeout(this.unanswered);
    clearTimeout(this.reporting);
    this.end();
    for (const pursuit of this.pursuits.values()) pursuit.stop();
    this.pursuits.clear();
    this.channel?.close();
  }

  /** Try now instead of later: somebody looks. `anew`: the network is another one, or back. */
  hurry(anew = false): void {
    // Of another network every tab hears by itself.
    if (this.leader) this.leader.live.hurry(anew);
    else if (!anew) {
      this.request({ to: 'leader', tab: this.tab, say: 'hurry' });
      this.ask();
    }
  }

  /** Follow a job's events from `seq` on. */
  watch(jobId: string, seq: number): void {
    if (this.pursuits.has(jobId)) return;
    const pursuit = new Pursuit(seq, {
      since: (from, signal) => this.ports.since(jobId, from, signal),
      onEvents: (events) => {
        this.ports.onEvents(jobId, events);
      },
      onRefused: () => {
        this.heard({ to: 'tabs', say: 'refused', jobId });
      },
    });
    this.pursuits.set(jobId, pursuit);
    this.request({ to: 'leader', tab: this.tab, say: 'watch', jobId, seq });
  }

  /** Stop following a job. */
  unwatch(jobId: string): void {
    this.pursuits.get(jobId)?.stop();
    this.pursuits.delete(jobId);
    this.request({ to: 'leader', tab: this.tab, say: 'unwatch', jobId });
  }

  /** A renewed token: every tab has it by its own ways, the one that leads hands it over. */
  renewed(token: string): void {
    this.leader?.live.renewed(token);
  }

  /** Tell the server how much of a photo was sent: the newest alone, and not more often than it is worth. */
  report(sent: Sent): void {
    this.outbox.put(sent);
    this.reporting ??= setTimeout(() => {
      this.reporting = undefined;
      this.flush();
    }, REPORT_EVERY_MS);
  }

  private flush(): void {
    if (this.outbox.size === 0 || (this.state !== 'live' && this.state !== 'polling')) return;
    this.request({ to: 'leader', tab: this.tab, say: 'report', updates: this.outbox.take() });
  }

  /** Wait for the lead, or take it. */
  private async stand(options: { signal: AbortSignal } | { steal: true }): Promise<void> {
    const lead = () =>
      new Promise<void>((resolve) => {
        this.release = resolve;
        if (this.ended.signal.aborted) resolve();
        else this.begin();
      });
    try {
      await this.ports.locks?.request(this.ports.name, options, lead);
    } catch {
      if (this.ended.signal.aborted || !this.leader) return;
      // Taken from us while this page was frozen: stand behind the one that leads now.
      this.end();
      this.hello();
      void this.stand({ signal: this.ended.signal });
    }
  }

  private begin(): void {
    if (this.leader) return;
    clearTimeout(this.asking);
    clearTimeout(this.unanswered);
    this.leader = new Leader(this.ports.lead, (news) => {
      this.channel?.postMessage(news);
      this.heard(news);
    });
    this.leader.open(this.state !== 'connecting');
    this.hello();
  }

  private end(): void {
    this.leader?.close();
    this.leader = null;
    this.release();
  }

  private hello(): void {
    const watches = [...this.pursuits].map(([jobId, { seq }]): [string, number] => [jobId, seq]);
    this.request({ to: 'leader', tab: this.tab, say: 'hello', watches });
  }

  /** Now and then, and sooner while something is amiss: a leader that does not answer leads no longer. */
  private ask(): void {
    clearTimeout(this.asking);
    if (this.leader || this.ended.signal.aborted) return;
    if (this.ports.visible()) {
      this.request({ to: 'leader', tab: this.tab, say: 'ask' });
      this.unanswered ??= setTimeout(() => {
        this.unanswered = undefined;
        if (!this.leader && this.ports.visible()) void this.stand({ steal: true });
      }, ANSWER_WITHIN_MS);
    }
    this.asking = setTimeout(
      () => {
        this.ask();
      },
      this.state === 'live' ? ASK_EVERY_MS : ASK_SOON_MS,
    );
  }

  private request(request: Request): void {
    if (this.leader) this.leader.heard(request);
    else if (!this.ended.signal.aborted) this.channel?.postMessage(request);
  }

  private requested(request: Request): void {
    if (!this.leader) return;
    this.leader.heard(request);
    if (request.say !== 'hello') return;
    const { signal } = this.ended;
    const gone = () => {
      this.leader?.forget(request.tab);
      return Promise.resolve();
    };
    this.ports.locks?.request(`${this.ports.name} ${request.tab}`, { signal }, gone).catch(ignored);
  }

  private heard(news: News): void {
    if (!this.leader) {
      clearTimeout(this.unanswered);
      this.unanswered = undefined;
    }
    switch (news.say) {
      case 'leading':
        if (!this.leader) this.hello();
        return;
      case 'state':
        this.state = news.state;
        this.ports.onState(news.state, news.over, this.leader === null);
        this.flush();
        return;
      case 'at':
        this.pursuits.get(news.jobId)?.at(news.seq);
        return;
      case 'told':
        this.pursuits.get(news.jobId)?.told(news.told);
        return;
      case 'job':
        this.ports.onJob(news.event);
        return;
      case 'refused':
        this.pursuits.get(news.jobId)?.stop();
        if (this.pursuits.delete(news.jobId)) this.ports.onRefused(news.jobId);
    }
  }
}

/** A lock that is no longer waited for. */
function ignored(error: unknown): void {
  if (!(error instanceof DOMException && error.name === 'AbortError')) throw error;
}
