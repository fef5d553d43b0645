import type { IStompSocket } from '@stomp/stompjs';
import type { Jobs, JobStatusUpdate } from '../../types/wire';
import type { Sent } from './outbox';
import type { Told } from './place';
import type { Blocks, Rung } from './policy';
import type { History } from './recover';

/** How the news comes in. `reconnecting` lasts until it is known whether asking works in place of the channel. */
export type LiveState = 'closed' | 'connecting' | 'live' | 'reconnecting' | 'polling' | 'offline';

export interface LivePorts {
  rungs: readonly Rung[];
  /** A socket of this rung, not open yet. */
  socket: (rung: Rung, within: number) => Promise<IStompSocket>;
  /** What was found to be blocked, kept while the browser is open. */
  memory: { load: () => Blocks; save: (blocks: Blocks) => void };
  /** A token that has not expired, renewed first where it has. */
  token: () => Promise<string>;
  /** The server says that the token has ended: renew it. Rejects where that is refused. */
  renew: () => Promise<unknown>;
  /** Whether the server answers plain HTTP. */
  answers: () => Promise<boolean>;
  history: History;
  activeJobs: (cursor: string | undefined, signal: AbortSignal) => Promise<Jobs>;
  /** Report by a command, while there is no channel. */
  progress: (updates: readonly Sent[]) => Promise<void>;
  onState: (state: LiveState, over: Rung | null) => void;
  /** News of any of the caller's jobs, without regard to their order. */
  onJob: (event: JobStatusUpdate) => void;
  /** What is new of a job that is watched, in order. */
  onTold: (jobId: string, told: Told) => void;
  /** A job may not be watched any more: it is gone, or not the caller's. */
  onRefused: (jobId: string) => void;
}
