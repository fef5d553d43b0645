import { useEffect } from 'react';
import { startResuming } from '../resume';

/** Offer to go on with what was begun, for as long as somebody is signed in. */
export function useResume(userId: string): void {
  useEffect(() => startResuming(userId), [userId]);
}
