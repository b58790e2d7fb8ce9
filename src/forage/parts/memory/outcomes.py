"""How responses ended: right or wrong by the verdict or, where a graded reward takes its place, high or low.

A graded reward has no right and wrong, and its scale is its own. What is usual for a problem, the mean reward of fresh
siblings, then divides its responses. The range of all rewards met so far stands for the 0 ... 1 of verdicts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.core.protocols import Codec
from forage.core.records import Group, Origin, Rollout, Score


def is_replayed(group: Group) -> bool:
    return group.start.origin is not Origin.POLICY


def require_verdicts(groups: Iterable[Group], *, what: str, instead: str = "") -> None:
    """Raises ForageError where rewards are graded: nothing then says which responses are right. `what` needs to know.

    `instead` is what to use where the verdict cannot be kept.
    """
    if any(score.graded for group in groups for score in group.scores):
        raise ForageError(
            f"{what} needs a verdict, and this run learns from a graded reward in its place. Keep the verdict in the "
            f"reward (outcome=1){instead and f', or {instead}'}."
        )


def share_right(groups: Iterable[Group]) -> float:
    """The share of right responses among those that were judged; NaN without any."""
    right = [score.correct for group in groups for score in group.scores if score.judged]
    return sum(right) / len(right) if right else math.nan


def ends_unsaid(rollout: Rollout, codec: Codec) -> bool:
    """Whether the last token ends the response and adds nothing to its text."""
    return rollout.stop == "eos" and not codec.pieces(rollout.tokens)[-1]


def ended_well(score: Score, usual: float) -> bool:
    """Right or, where the score is graded, at least what is usual for the problem."""
    return score.value >= usual if score.graded else score.correct


def usual_of(group: Group) -> float:
    """What is usual for the problem, as its judged siblings say; NaN without any.

    Their mean reward where it is graded, else the share of right ones. Where all rewards are equal it is that number
    itself: no rounding makes one of them low.
    """
    judged = [score for score in group.scores if score.judged]
    worth = [score.value if score.graded else float(score.correct) for score in judged]
    if not worth:
        return math.nan
    return min(worth) if min(worth) == max(worth) else math.fsum(worth) / len(worth)


@dataclass(frozen=True, slots=True)
class Scale:
    """The lowest and the highest reward met: 0 and 1 for verdicts."""

    low: float = 0.0
    high: float = 1.0

    @property
    def unit(self) -> float:
        """What settings that are given for rewards of 0 ... 1 are multiplied by. 1 where all rewards were equal."""
        return self.high - self.low or 1.0

    def standing(self, reward: float) -> float:
        """The place of a reward in the range, in [0, 1]."""
        return min(max((reward - self.low) / self.unit, 0.0), 1.0)


def widened(scale: Scale | None, groups: Iterable[Group]) -> Scale | None:
    """The scale with the graded rewards of fresh groups in it; None as long as there was none."""
    seen = [s.value for group in groups if not is_replayed(group) for s in group.scores if s.judged and s.graded]
    ends: Sequence[float] = seen if scale is None else [*seen, scale.low, scale.high]
    return Scale(min(ends), max(ends)) if seen else scale
