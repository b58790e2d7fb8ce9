"""The stress set: hundreds of hostile answers that a user can give to the verifiers of this machine."""

from forage.verification.stress.run import StressReport, stress

__all__ = ["StressReport", "stress"]
