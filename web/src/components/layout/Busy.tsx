import { useEffect, useState } from 'react';
import { useStore } from 'zustand';
import { useTexts } from '../../hooks/useTexts';
import { connectionStore } from '../../stores/connectionStore';

const TICK_MS = 250;

/** While the server asks for patience: that it does, and when this page goes on. */
export function Busy() {
  const say = useTexts();
  const until = useStore(connectionStore, (connection) => connection.busyUntil);
  const seconds = useSecondsUntil(until);
  if (seconds <= 0) return null;
  return (
    <p className="panel-preparing">
      <span role="status">{say('busy')}</span> <span>{say('busy.goingOn', { seconds })}</span>
    </p>
  );
}

/** Whole seconds from now until `time`, none once it has come. */
function useSecondsUntil(time: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const tick = () => {
      setNow(Date.now());
      if (Date.now() >= time) clearInterval(timer);
    };
    const timer = setInterval(tick, TICK_MS);
    tick();
    return () => {
      clearInterval(timer);
    };
  }, [time]);
  return Math.max(0, Math.ceil((time - now) / 1000));
}
