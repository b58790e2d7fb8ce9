"""When promising states are kept, and how many of a step's starts are such states."""

from dataclasses import dataclass

from forage.core.errors import ForageError


@dataclass(frozen=True, kw_only=True)
class ReplaySchedule:
    """When states are kept and how many come back, in steps counted from 1.

    States are kept up to `collect_until`. Their share of a step's starts is 0 before `replay_from`, grows to `share`
    over `ramp` steps, and falls to 0 over the last `fade` steps before `last`.
    """

    last: int
    collect_until: int
    replay_from: int
    share: float = 0.25
    ramp: int = 1
    fade: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ForageError(f"The share of replayed starts must lie in 0 ... 1, not {self.share}.")
        if min(self.last, self.replay_from, self.ramp, self.fade) < 1 or self.collect_until < 0:
            raise ForageError("last, replay_from, ramp and fade count steps from 1, collect_until from 0.")

    def share_at(self, step: int) -> float:
        """In [0, share]."""
        if step < self.replay_from:
            return 0.0
        return self.share * min(
            1.0, (step - self.replay_from + 1) / self.ramp, max(0.0, (self.last - step) / self.fade)
        )
