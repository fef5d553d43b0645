import { useShallow } from 'zustand/react/shallow';
import { useTexts } from '../../hooks/useTexts';
import { useShown, useUploads } from '../../hooks/useUploads';
import { useConnectionState } from '../../hooks/useWebSocket';
import { bytesText, durationText, percentText, speedText } from '../../lib/format';
import { Connection } from '../layout/Connection';
import { overallPercent, tallyOf } from './overall';
import { ProgressBar } from './ProgressBar';
import { tabCount } from './tabs';

/** All uploads of a job, or of all jobs (null), as one: how many are done, how far, how fast, how long, what failed, and how the news comes in. */
export function BatchSummary({ job = null }: { job?: string | null }) {
  const say = useTexts();
  const { watching } = useShown();
  const { counts, totals, speed } = useUploads(
    useShallow((state) => {
      const { counts, totals, speed } = tallyOf(state, job);
      return { counts, totals, speed };
    }),
  );
  const connection = useConnectionState();
  const wanted = tabCount(counts, 'all') - counts.cancelled;
  const percent = overallPercent(totals);
  const left = totals.bytes - totals.bytesSent;
  const moving = speed > 0 && connection !== 'offline';
  const figures = [
    counts.active > 0 && say('summary.bytes', { sent: bytesText(totals.bytesSent), total: bytesText(totals.bytes) }),
    moving && speedText(speed),
    moving && left > 0 && say('summary.left', { time: durationText(left / speed) }),
    counts.active > 0 && left <= 0 && say('summary.processing', { count: counts.active }),
    counts.cancelled > 0 && say('summary.cancelled', { count: counts.cancelled }),
  ].filter((figure) => figure !== false);
  return (
    <div className="summary">
      <div className="summary-line summary-first">
        <strong>
          {wanted > 0 ? say('summary.done', { done: counts.completed, count: wanted }) : say('summary.nothing')}
        </strong>
        {wanted > 0 && <span className="summary-percent">{percentText(percent)}</span>}
      </div>
      <ProgressBar
        percent={percent}
        tone={counts.active > 0 ? 'active' : counts.completed > 0 ? 'completed' : 'failed'}
        label={say('panel.all')}
      />
      <div className="summary-line summary-small">
        <span>
          {figures.join(' · ')}
          {figures.length > 0 && counts.failed > 0 && ' · '}
          {counts.failed > 0 && (
            <span className="summary-failed">{say('summary.failed', { count: counts.failed })}</span>
          )}
        </span>
        {!watching && <Connection />}
      </div>
    </div>
  );
}
