"""`safelight doctor`: each part of an installation tried as it will be used, and the exact fix for what is wrong."""

from safelight.doctor.examination import examine
from safelight.doctor.finding import Finding, Verdict
from safelight.doctor.patient import Patient, Surroundings

__all__ = ["Finding", "Patient", "Surroundings", "Verdict", "examine"]
