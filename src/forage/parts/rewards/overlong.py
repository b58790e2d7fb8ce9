"""A soft penalty for responses that come close to the length limit (DAPO, arXiv 2503.14476, equation 13)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.ops.verdict_rewards import check_overlong, overlong_penalty


@dataclass(frozen=True, kw_only=True)
class Overlong(Reward):
    """Adds 0 up to `limit - buffer` tokens, falls linearly to -1 at `limit`, and stays there.

    `limit` and `buffer` count response tokens (the start's prefix included, because it is part of the response).
    """

    limit: int
    buffer: int

    def __post_init__(self) -> None:
        check_overlong(self.limit, self.buffer)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self._add(rollout, score) for rollout, score in zip(rollouts, scores, strict=True))

    def _add(self, rollout: Rollout, score: Score) -> Score:
        length = len(rollout.start.prefix) + len(rollout.tokens)
        penalty = overlong_penalty(length, limit=self.limit, buffer=self.buffer)
        return replace(score, value=score.value + penalty, parts={**score.parts, "overlong": penalty})
