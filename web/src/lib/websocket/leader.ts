import type { JobStatusUpdate } from '../../types/wire';
import type { LiveClient } from './client';
import type { Sent } from './outbox';
import type { Told } from './place';
import type { Rung } from './policy';
import type { LivePorts, LiveState } from './ports';

/** What tabs say to the one that leads. */
export type Request =
  | { to: 'leader'; tab: string; say: 'hello'; watches: [jobId: string, seq: number][] }
  | { to: 'leader'; tab: string; say: 'watch'; jobId: string; seq: number }
  | { to: 'leader'; tab: string; say: 'unwatch'; jobId: string }
  | { to: 'leader'; tab: string; say: 'report'; updates: Sent[] }
  | { to: 'leader'; tab: string; say: 'hurry' }
  /** Are you there? And do what is due, should your timers sleep. */
  | { to: 'leader'; tab: string; say: 'ask' };

/** What the tab that leads says to all, itself included. */
export type News =
  | { to: 'tabs'; say: 'leading' }
  | { to: 'tabs'; say: 'state'; state: LiveState; over: Rung | null }
  /** The events of a job that go out from now on are those after `seq`. */
  | { to: 'tabs'; say: 'at'; jobId: string; seq: number }
  | { to: 'tabs'; say: 'told'; jobId: string; told: Told }
  | { to: 'tabs'; say: 'job'; event: JobStatusUpdate }
  | { to: 'tabs'; say: 'refused'; jobId: string };

export type Live = Pick<LiveClient, 'open' | 'close' | 'hurry' | 'wake' | 'watch' | 'unwatch' | 'renewed' | 'report'>;
export type Lead = (ports: Pick<LivePorts, 'onState' | 'onJob' | 'onTold' | 'onRefused'>) => Live;

/** The one tab that holds the connection, and what the others want of it. */
export class Leader {
  readonly live: Live;
  private readonly wants = new Map<string, Set<string>>();
  private state: News = { to: 'tabs', say: 'state', state: 'connecting', over: null };

  constructor(
    lead: Lead,
    private readonly tell: (news: News) => void,
  ) {
    this.live = lead({
      onState: (state, over) => {
        if (state === 'closed') return;
        this.state = { to: 'tabs', say: 'state', state, over };
        tell(this.state);
      },
      onJob: (event) => {
        tell({ to: 'tabs', say: 'job', event });
      },
      onTold: (jobId, told) => {
        tell({ to: 'tabs', say: 'told', jobId, told });
      },
      onRefused: (jobId) => {
        this.wants.delete(jobId);
        tell({ to: 'tabs', say: 'refused', jobId });
      },
    });
  }

  /** Begin; `again`: in place of another tab. */
  open(again: boolean): void {
    this.tell({ to: 'tabs', say: 'leading' });
    this.live.open(again);
  }

  close(): void {
    this.live.close();
  }

  heard(request: Request): void {
    switch (request.say) {
      case 'hello':
        this.tell(this.state);
        for (const [jobId, seq] of request.watches) this.watch(request.tab, jobId, seq);
        return;
      case 'watch':
        this.watch(request.tab, request.jobId, request.seq);
        return;
      case 'unwatch':
        this.unwatch(request.tab, request.jobId);
        return;
      case 'report':
        this.live.report(request.updates);
        return;
      case 'hurry':
        this.live.hurry();
        return;
      case 'ask':
        this.live.wake();
        this.tell(this.state);
    }
  }

  /** A tab has gone. */
  forget(tab: string): void {
    for (const jobId of [...this.wants.keys()]) this.unwatch(tab, jobId);
  }

  private watch(tab: string, jobId: string, from: number): void {
    const tabs = this.wants.get(jobId) ?? new Set();
    this.wants.set(jobId, tabs.add(tab));
    const seq = this.live.watch(jobId, from);
    this.tell({ to: 'tabs', say: 'at', jobId, seq });
  }

  private unwatch(tab: string, jobId: string): void {
    const tabs = this.wants.get(jobId);
    if (!tabs?.delete(tab) || tabs.size > 0) return;
    this.wants.delete(jobId);
    this.live.unwatch(jobId);
  }
}
