import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import { useSettled } from '../../hooks/useWebSocket';
import type { Tally } from '../../stores/tally';
import { say } from '../../texts';
import { overallPercent } from './overall';

// What changes again before that is not worth an interruption.
const ANNOUNCE_AFTER_MS = 1_500;

/** What is read aloud of the uploads: quarters, that something failed, and the end. Never single photos. */
export function Aloud({ preparing }: { preparing: string | null }) {
  useTexts();
  const words = useStore(uploads, spokenWords);
  return (
    <p className="unseen" role="status">
      {useSettled(preparing ?? words, ANNOUNCE_AFTER_MS)}
    </p>
  );
}

/** All uploads in a sentence that changes seldom. */
export function spokenWords({ counts, totals }: Tally): string {
  const { active, completed, failed } = counts;
  if (active === 0) {
    if (completed + failed === 0) return '';
    const done = say('summary.done', { done: completed, count: completed + failed });
    return failed > 0 ? say('aloud.endedWith', { done, failed: say('summary.failed', { count: failed }) }) : done;
  }
  const percent = Math.floor(overallPercent(totals) / 25) * 25;
  return say(failed > 0 ? 'aloud.underWayFailed' : 'aloud.underWay', { percent });
}
