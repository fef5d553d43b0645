import { isPhotoEvent } from '../../types/wire';
import { Link, type Refusal } from './link';
import type { Sent } from './outbox';
import { Place, type Told } from './place';
import { type Attempt, ConnectionPolicy, type Rung } from './policy';
import { Poller } from './poll';
import type { LivePorts, LiveState } from './ports';

// A restart of the server is over by then, and nobody need be told of it.
const POLL_AFTER_MS = 3_000;
const LISTENING = 'subscribe-jobs';

interface Watched {
  place: Place;
  stop: (() => void) | null;
}

/** One attempt under way; `upgrade`: a better rung beside one that works. */
interface Try {
  rung: Rung;
  upgrade: boolean;
  link: Link;
}

/**
 * The live channel: connects by the best way that works, comes back after every loss, looks for a better way from time to
 * time, and asks meanwhile. Each job goes on where it left off, by whichever way.
 */
export class LiveClient {
  private readonly watched = new Map<string, Watched>();
  private readonly policy: ConnectionPolicy;
  private readonly poller: Poller;
  private state: LiveState = 'closed';
  private current: { link: Link; rung: Rung } | null = null;
  private trying: Try | null = null;
  private planned: { attempt: Attempt; upgrade: boolean; at: number } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private away: ReturnType<typeof setTimeout> | undefined;
  private subscriptions = 0;

  constructor(private readonly ports: LivePorts) {
    this.policy = new ConnectionPolicy(ports.rungs, Math.random, ports.memory.load());
    this.poller = new Poller({
      history: ports.history,
      activeJobs: ports.activeJobs,
      wanted: this.watched,
      onTold: (jobId, told) => {
        this.take(jobId, told);
      },
      onJob: ports.onJob,
      onRefused: (jobId) => {
        this.refuse(jobId);
      },
      onWorks: (works) => {
        if (!this.current && this.state !== 'closed') this.become(works ? 'polling' : 'offline');
      },
    });
  }

  /** Connect, and stay connected until `close`; `again`: another tab was connected before. */
  open(again = false): void {
    if (this.state !== 'closed') return;
    this.become(again ? 'reconnecting' : 'connecting');
    const first = this.policy.first(Date.now());
    if (first) {
      this.pollSoon();
      this.plan(first);
    } else {
      this.poller.start();
    }
  }

  /** Leave, and stay away. */
  close(): void {
    clearTimeout(this.timer);
    clearTimeout(this.away);
    this.poller.stop();
    this.trying?.link.close();
    this.current?.link.close();
    this.trying = this.current = this.planned = null;
    this.watched.clear();
    this.become('closed');
  }

  /** Try now instead of later: somebody looks. `anew`: the network is another one, or back. */
  hurry(anew = false): void {
    if (anew) this.policy.networkChanged();
    if (this.current && !anew) return;
    // An attempt under way may be on its way through the network that was.
    const first = anew && !this.current ? this.policy.first(Date.now()) : null;
    if (first) this.plan(first);
    if (this.planned) this.go();
    this.poller.hurry();
  }

  /** Do what a timer should have done: those of hidden pages run once a minute, and another tab may know better. */
  wake(): void {
    if (this.planned && this.planned.at <= Date.now()) this.go();
    this.poller.wake();
  }

  /** Follow a job's events from `seq` on; returns the place from which they come. */
  watch(jobId: string, seq: number): number {
    const known = this.watched.get(jobId);
    if (known) return known.place.seq;
    const watched: Watched = { place: new Place(seq), stop: null };
    this.watched.set(jobId, watched);
    if (this.current) this.subscribe(this.current.link, jobId, watched);
    else this.poller.hurry();
    return seq;
  }

  /** Stop following a job. */
  unwatch(jobId: string): void {
    this.watched.get(jobId)?.stop?.();
    this.watched.delete(jobId);
  }

  /** Hand over a renewed token, so that delivery does not end with the old one. */
  renewed(token: string): void {
    this.current?.link.publish('/app/token', { token });
  }

  /** Tell how much was sent: best effort. */
  report(updates: readonly Sent[]): void {
    if (this.current) this.current.link.publish('/app/progress', { updates });
    else if (this.state === 'polling') this.ports.progress(updates).catch(() => undefined);
  }

  private plan(attempt: Attempt, upgrade = false): void {
    clearTimeout(this.timer);
    this.planned = { attempt, upgrade, at: Date.now() + attempt.wait };
    this.timer = setTimeout(() => {
      this.go();
    }, attempt.wait);
    if (attempt.exhausted) this.poller.start();
  }

  private go(): void {
    clearTimeout(this.timer);
    const { planned } = this;
    this.planned = null;
    if (!planned || this.state === 'closed') return;
    this.trying?.link.close();
    const { rung, within } = planned.attempt;
    const link: Link = new Link({
      open: () => this.ports.socket(rung, within),
      token: this.ports.token,
      within,
      onUp: () => {
        this.up(link, rung);
      },
      onDown: (refusal) => {
        if (this.current?.link === link) this.lost(rung, refusal);
        else if (this.trying?.link === link) void this.failed(this.trying, refusal);
      },
    });
    this.trying = { rung, upgrade: planned.upgrade, link };
  }

  private up(link: Link, rung: Rung): void {
    const before = this.current;
    this.trying = null;
    this.current = { link, rung };
    clearTimeout(this.away);
    this.poller.stop();
    // Left before the new one is asked for anything: what it has not told by now comes by the new one, from there on.
    before?.link.close();
    this.policy.connected(rung, Date.now());
    this.remember();
    link.subscribe('/topic/jobs', { receipt: LISTENING }, ({ events }) => {
      if (this.current?.link !== link) return;
      for (const event of events) if (!isPhotoEvent(event)) this.ports.onJob(event);
    });
    for (const [jobId, watched] of this.watched) this.subscribe(link, jobId, watched);
    // Not before: who looks at a job now, and is told of its changes from now on, misses none in between.
    link.onReceipt(LISTENING, () => {
      if (this.current?.link === link) this.become('live');
    });
    this.planUpgrade(rung);
  }

  private subscribe(link: Link, jobId: string, watched: Watched): void {
    // A number of its own, so that what an ended subscription still sends is told apart.
    const headers = {
      id: `job-${jobId}-${++this.subscriptions}`,
      after: String(watched.place.seq),
      receipt: `subscribe-${jobId}`,
    };
    watched.stop = link.subscribe(`/topic/job/${jobId}/batch`, headers, (told) => {
      if (this.current?.link !== link || this.watched.get(jobId) !== watched) return;
      if (!this.take(jobId, told)) return;
      watched.stop?.();
      this.subscribe(link, jobId, watched);
    });
  }

  /** Pass on what is new; whether something before the rest is missing. */
  private take(jobId: string, { events, recovered }: Told): boolean {
    const watched = this.watched.get(jobId);
    if (!watched) return false;
    const taken = watched.place.take({ events, recovered });
    if (taken.events.length > 0 || recovered) this.ports.onTold(jobId, { events: taken.events, recovered });
    return taken.gap;
  }

  private lost(rung: Rung, refusal: Refusal | null): void {
    this.current = null;
    for (const watched of this.watched.values()) watched.stop = null;
    this.become('reconnecting');
    this.pollSoon();
    this.heed(refusal);
    const next = this.policy.lost(rung, Date.now(), refusal !== null);
    this.remember();
    // A better way that is being tried just now comes in its place.
    if (this.trying) this.trying.upgrade = false;
    else this.plan(next);
  }

  private async failed(tried: Try, refusal: Refusal | null): Promise<void> {
    const { rung } = tried;
    this.heed(refusal);
    const answers = refusal !== null || (await this.ports.answers());
    if (this.trying !== tried) return; // overtaken meanwhile
    this.trying = null;
    const now = Date.now();
    if (tried.upgrade) {
      this.policy.upgradeFailed(rung, now);
      if (this.current) this.planUpgrade(this.current.rung);
    } else {
      this.plan(refusal ? this.policy.lost(rung, now, true) : this.policy.failed(rung, now, answers));
    }
    this.remember();
  }

  /** The server said why it ended a connection. */
  private heed(refusal: Refusal | null): void {
    if (refusal?.code === 'token-expired' || refusal?.code === 'unauthenticated') {
      // Renewed, or signed out where that is refused; the next attempt waits for the token.
      this.ports.renew().catch(() => undefined);
    } else if (refusal?.code === 'not-found') {
      const jobId = refusal.receiptId?.replace(/^subscribe-/, '');
      if (jobId) this.refuse(jobId);
    }
  }

  private refuse(jobId: string): void {
    if (this.watched.delete(jobId)) this.ports.onRefused(jobId);
  }

  private planUpgrade(rung: Rung): void {
    const upgrade = this.policy.upgrade(rung, Date.now());
    if (upgrade) this.plan(upgrade, true);
  }

  private pollSoon(): void {
    clearTimeout(this.away);
    this.away = setTimeout(() => {
      this.poller.start();
    }, POLL_AFTER_MS);
  }

  private remember(): void {
    this.ports.memory.save(this.policy.blocks);
  }

  private become(state: LiveState): void {
    if (state === this.state && state !== 'live') return;
    this.state = state;
    this.ports.onState(state, this.current?.rung ?? null);
  }
}
