"""The reconciler: whatever was lost (a message, a process, a client, bytes), its sweep finds it and acts.

Every non-terminal photo has a live client, a live lease, or a deadline here. Finding changes nothing; acting twice,
even by two processes at once, is acting once.
"""

from safelight.reconcile.finding import Finding as Finding
from safelight.reconcile.sweep import STEPS as STEPS
from safelight.reconcile.sweep import Outcome as Outcome
from safelight.reconcile.sweep import Reconciler as Reconciler
