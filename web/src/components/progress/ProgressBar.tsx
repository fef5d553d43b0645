import { UPLOAD_POINTS } from '../../stores/rows';

export type Tone = 'active' | 'completed' | 'failed' | 'cancelled' | 'paused';

/** A percent as a bar; the notch marks where all bytes are sent and processing begins. */
export function ProgressBar({ percent, tone, label }: { percent: number; tone: Tone; label: string }) {
  return (
    <div
      className="bar"
      data-tone={tone}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.floor(percent)}
    >
      <div className="bar-fill" style={{ transform: `scaleX(${percent / 100})` }} />
      <div className="bar-notch" style={{ left: `${UPLOAD_POINTS}%` }} />
    </div>
  );
}
