import { useEffect, useRef } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../app';
import { spokenWords } from '../components/progress/Aloud';
import { notify } from '../stores/noticeStore';
import { settingsStore } from '../stores/settingsStore';
import { say } from '../texts';

/** While this page sends, the screen stays on: a machine that falls asleep sends nothing. */
export function useWakeLock(): void {
  const sending = useStore(uploads, (state) => state.sending > 0);
  useEffect(() => {
    // Absent on plain HTTP from another machine.
    if (!sending || !('wakeLock' in navigator)) return undefined;
    let over = false;
    let held: WakeLockSentinel | null = null;
    const take = async () => {
      if (document.visibilityState !== 'visible' || (held && !held.released)) return;
      try {
        held = await navigator.wakeLock.request('screen');
      } catch (error) {
        // Refused where the battery is low, or hidden at this very moment: then it sleeps when the system says so.
        if (error instanceof DOMException && error.name === 'NotAllowedError') return;
        throw error;
      }
      if (over) await held.release();
    };
    const again = () => void take();
    again();
    // The system takes it back whenever the page is hidden.
    document.addEventListener('visibilitychange', again);
    return () => {
      over = true;
      document.removeEventListener('visibilitychange', again);
      void held?.release();
    };
  }, [sending]);
}

/** Once all that this page sent has ended while nobody looks, the system says so, to whoever wanted that. */
export function useNotification(): void {
  const active = useStore(uploads, (state) => state.counts.active > 0);
  const sending = useStore(uploads, (state) => state.sending > 0);
  const wanted = useStore(settingsStore, (settings) => settings.notify);
  const sent = useRef(false);
  useEffect(() => {
    if (sending) sent.current = true;
    if (active || !sent.current) return;
    sent.current = false;
    if (!wanted || !canNotify() || Notification.permission !== 'granted' || document.hasFocus()) return;
    tell(spokenWords(uploads.getState()));
  }, [active, sending, wanted]);
}

export function canNotify(): boolean {
  return 'Notification' in window;
}

/** Change whether a notification is wanted. The browser asks for leave, which it may do only after a click. */
export async function wantNotification(wanted: boolean): Promise<void> {
  if (wanted && (await Notification.requestPermission()) !== 'granted') {
    notify(say('notify.refused'));
    settingsStore.setState({ notify: false });
    return;
  }
  settingsStore.setState({ notify: wanted });
}

function tell(words: string): void {
  if (words === '') return;
  try {
    const shown = new Notification(say('signIn.title'), { body: words, tag: 'safelight', icon: '/favicon.svg' });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch (error) {
    // Chrome on Android has them from service workers alone: there the page's title must do.
    if (!(error instanceof TypeError)) throw error;
  }
}
