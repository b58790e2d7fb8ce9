"""A bonus for every action that an episode has not taken before (arXiv 2504.16078), and its placebo."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from forage.core.actions import acting, first_tries
from forage.core.errors import ForageError
from forage.core.protocols import Reward, Task
from forage.core.records import Rollout, Score


@dataclass(frozen=True, kw_only=True)
class FirstTry(Reward):
    """Adds `bonus` to the reward of every step that takes an action not yet tried in the episode; values stay.

    `task` says which (`core/actions.py`); what a start's prefix has tried is tried. A step is a turn. `anywhere` is the
    placebo: as many bonuses, at steps of the same response drawn at random. `Score.parts` holds their number as
    `first_tries`. What was not judged stays unjudged. Raises ForageError for a task without actions.
    """

    task: Task
    bonus: float = 1.0
    anywhere: bool = False

    def __post_init__(self) -> None:
        acting(self.task, "first_try_bonus")
        if self.bonus <= 0:
            raise ForageError(f"The bonus for a first try is more than 0, not {self.bonus}.")

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        return tuple(self._add(rollout, score) for rollout, score in zip(rollouts, scores, strict=True))

    def _add(self, rollout: Rollout, score: Score) -> Score:
        if not score.judged:
            return score
        new = self._new(rollout)
        if self.anywhere:
            new = _elsewhere(new, rollout)
        before = score.steps or (0.0,) * len(new)
        steps = tuple(earlier + self.bonus * paid for earlier, paid in zip(before, new, strict=True))
        return replace(score, steps=steps, parts={**score.parts, "first_tries": float(sum(new))})

    def _new(self, rollout: Rollout) -> list[bool]:
        """Which of the rollout's steps are first tries. Its last turns are its steps, if each step is a turn."""
        size = len(rollout.step_ends)
        actions = acting(self.task, "first_try_bonus").actions(rollout.start.problem, rollout.text)
        if size > len(actions):
            raise ForageError(
                f"A response to {rollout.start.problem.id} has {size} steps and {len(actions)} turns. first_try_bonus "
                "pays steps for the actions of turns: they must be the same."
            )
        return list(first_tries(actions)[len(actions) - size :])


def _elsewhere(new: Sequence[bool], rollout: Rollout) -> list[bool]:
    """As many, at other places; the same ones whenever it is asked."""
    identity = f"{rollout.start.key}:{rollout.version}:{','.join(map(str, rollout.tokens))}"
    draw = random.Random(hashlib.blake2b(identity.encode(), digest_size=8).digest())
    places = set(draw.sample(range(len(new)), sum(new)))
    return [place in places for place in range(len(new))]
