"""A process reward model as a reward: it scores the steps of responses while the policy learns from it."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.protocols import Reward, Task
from forage.core.records import Rollout, Score
from forage.engines.local.process_model import ProcessModel
from forage.ops.step_scores import AGGREGATORS, Aggregator, aggregate, potential_differences
from forage.tasks.step_texts import step_texts


@dataclass(frozen=True, kw_only=True)
class ProcessReward(Reward):
    """The step scores of the process model in the folder `model`, as one number or step by step.

    The value becomes `outcome` times what it was plus `weight` times the aggregated score, which is of the whole
    response, the steps of the start's prefix included: one text has one reward, wherever its sampling began, and the
    mean of what continuations of a state get is the value of that state. `task` says where the steps of a response end;
    without it a prefix is one step. With `dense` the aggregated score stays out of the value, and `Score.steps` holds
    `weight` times v_l - v_{l-1} of the sampled steps instead, which add up to v_L - v_0. The value v_0 of the state
    before the first of them is the score behind the start's prefix; without a prefix it is the mean of the siblings'
    first scores. A response without any text scores 0. What could not be judged stays unjudged. `Score.parts` keeps
    what the verifier said, and adds `process`, the aggregated score. Without `outcome` the scores are graded.

    The process model reads the policy's tokens, so both must have one tokenizer; this is checked on every response.
    """

    model: str
    aggregate: Aggregator = "min"
    weight: float = 1.0
    outcome: float = 0.0
    dense: bool = False
    device: str = "cpu"
    task: Task | None = None

    def __post_init__(self) -> None:
        if self.aggregate not in AGGREGATORS:
            raise ForageError(f"Step scores are aggregated by {', '.join(AGGREGATORS)}, not {self.aggregate!r}.")
        if self.weight == 0:
            raise ForageError("A process reward of weight 0 is no reward: leave it out.")

    @cached_property
    def process(self) -> ProcessModel:
        """Loaded when the first response is judged."""
        return ProcessModel.load(Path(self.model), device=self.device)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        prompt, prefix = rollouts[0].start.problem.question, rollouts[0].start.prefix
        steps = [self._steps(rollout) for rollout in rollouts]
        pieces = self.process.pieces_of(prefix)
        before = [text for _, text in step_texts(pieces, self._prefix_ends(pieces))]
        encoded = [self.process.encode(prompt, [text for _, text in row_steps]) for row_steps in steps]
        known, *values = self.process.score([self.process.encode(prompt, before), *encoded])
        own = [self._sampled(row_steps, value, len(prefix)) for row_steps, value in zip(steps, values, strict=True)]
        first = [numbers[0][1] for numbers in own if numbers]
        start = known[-1] if known else math.fsum(first) / len(first) if first else 0.0
        together = zip(rollouts, scores, values, own, strict=True)
        return tuple(self._score(*each, start) for each in together)

    def _score(
        self, rollout: Rollout, score: Score, values: tuple[float, ...], own: list[tuple[int, float]], start: float
    ) -> Score:
        whole = aggregate(values, self.aggregate)
        value, parts = self.outcome * score.value, {**score.parts, "process": whole}
        if not self.dense:
            graded = score.graded or self.outcome == 0
            return replace(score, value=value + self.weight * whole, parts=parts, graded=graded)
        differences = [0.0] * len(rollout.step_ends)  # steps without a text change nothing
        changes = potential_differences([now for _, now in own], start)
        for (end, _), change in zip(own, changes, strict=True):
            differences[bisect_left(rollout.step_ends, end)] += self.weight * change
        return replace(score, value=value, parts=parts, steps=tuple(differences))

    def _steps(self, rollout: Rollout) -> list[tuple[int, str]]:
        """The steps of the whole response that have a text: their ends, counted from its beginning, and their texts."""
        prefix, whole = rollout.start.prefix, rollout.start.prefix + rollout.tokens
        if self.process.decode(whole) != rollout.text:
            raise ForageError(
                f"The process model {self.model} reads the policy's tokens as other text: train it from a model with "
                "the policy's tokenizer."
            )
        pieces = self.process.pieces_of(whole)
        if self.task is not None and prefix:
            return step_texts(pieces, self.task.step_ends(pieces))
        sampled = (len(prefix) + end for end in rollout.step_ends)
        return step_texts(pieces, (*self._prefix_ends(pieces[: len(prefix)]), *sampled))

    def _prefix_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        if not pieces:
            return ()
        return (len(pieces),) if self.task is None else self.task.step_ends(pieces)

    @staticmethod
    def _sampled(steps: list[tuple[int, str]], values: tuple[float, ...], prefix: int) -> list[tuple[int, float]]:
        """(end, counted from behind the prefix; score) of the steps that end behind it."""
        return [(end - prefix, value) for (end, _), value in zip(steps, values, strict=True) if end > prefix]
