import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useConnectionState } from '../../hooks/useWebSocket';
import { bytesText, countText, durationText, speedText } from '../../lib/format';
import { Connection } from '../layout/Connection';
import { overallPercent } from './overall';
import { ProgressBar } from './ProgressBar';
import { tabCount } from './tabs';

/** All uploads as one: how many are done, how far, how fast, how long, what failed, and how the news comes in. */
export function BatchSummary() {
  const counts = useStore(uploads, (state) => state.counts);
  const totals = useStore(uploads, (state) => state.totals);
  const speed = useStore(uploads, (state) => state.speed);
  const connection = useConnectionState();
  const wanted = tabCount(counts, 'all') - counts.cancelled;
  const percent = overallPercent(totals);
  const left = totals.bytes - totals.bytesSent;
  const moving = speed > 0 && connection !== 'offline';
  const figures = [
    counts.active > 0 && `${bytesText(totals.bytesSent)} of ${bytesText(totals.bytes)}`,
    moving && speedText(speed),
    moving && left > 0 && `sent in about ${durationText(left / speed)}`,
    counts.active > 0 && left <= 0 && `${countText(counts.active, 'photo')} being processed`,
    counts.cancelled > 0 && `${counts.cancelled.toLocaleString('en')} cancelled`,
  ].filter((figure) => figure !== false);
  return (
    <div className="summary">
      <div className="summary-line">
        <strong>
          {wanted > 0
            ? `${counts.completed.toLocaleString('en')} of ${countText(wanted, 'photo')} in the library`
            : 'Nothing is to be uploaded'}
        </strong>
        {wanted > 0 && <span className="summary-percent">{Math.floor(percent)} %</span>}
      </div>
      <ProgressBar
        percent={percent}
        tone={counts.active > 0 ? 'active' : counts.completed > 0 ? 'completed' : 'failed'}
        label="All uploads"
      />
      <div className="summary-line summary-small">
        <span>
          {figures.join(' · ')}
          {figures.length > 0 && counts.failed > 0 && ' · '}
          {counts.failed > 0 && <span className="summary-failed">{counts.failed.toLocaleString('en')} failed</span>}
        </span>
        <Connection />
      </div>
    </div>
  );
}
