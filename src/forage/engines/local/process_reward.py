"""A process reward model as a reward: it judges the steps of responses while the policy learns to please it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from forage.core.errors import ForageError
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.engines.local.process_model import ProcessModel
from forage.ops.step_scores import AGGREGATORS, Aggregator, aggregate
from forage.tasks.step_texts import prompt_text, step_texts


@dataclass(frozen=True, kw_only=True)
class ProcessReward(Reward):
    """The step scores of the process model in the folder `model`, as one number or step by step.

    The value becomes `outcome` times what it was plus `weight` times the aggregated score. With `dense` the aggregated
    score stays out of the value, and `Score.steps` holds `weight` times v_l - v_{l-1} instead, which add up to
    v_L - v_0. The value v_0 of the state before the first step is the score behind the start's prefix; without a prefix
    it is the mean of the siblings' first scores. A response without any text scores 0. What could not be judged stays
    unjudged. `Score.parts` keeps what the verifier said, and adds `process`, the aggregated score. Without
    `outcome` the scores are graded.

    The process model reads the policy's tokens, so both must have one tokenizer; this is checked on every response.
    """

    model: str
    aggregate: Aggregator = "min"
    weight: float = 1.0
    outcome: float = 0.0
    dense: bool = False
    device: str = "cpu"

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
        prompt, prefix = prompt_text(rollouts[0].start.problem), self.process.decode(rollouts[0].start.prefix)
        before = [prefix] if prefix.strip() else []
        steps = [self._steps(rollout) for rollout in rollouts]
        encoded = [self.process.encode(prompt, [*before, *(text for _, text in found)]) for found in steps]
        values = self.process.score(encoded)
        own = [value[len(before) :] for value in values]
        if before:
            start = values[0][0]
        else:
            first = [value[0] for value in own if value]
            start = sum(first) / len(first) if first else 0.0
        together = zip(rollouts, scores, steps, own, strict=True)
        return tuple(self._score(*each, start) for each in together)

    def _score(
        self, rollout: Rollout, score: Score, steps: list[tuple[int, str]], values: tuple[float, ...], start: float
    ) -> Score:
        whole = aggregate(values, self.aggregate)
        value, parts = self.outcome * score.value, {**score.parts, "process": whole}
        if not self.dense:
            graded = score.graded or self.outcome == 0
            return replace(score, value=value + self.weight * whole, parts=parts, graded=graded)
        differences = dict.fromkeys(rollout.step_ends, 0.0)  # steps without a text change nothing
        for (end, _), now, then in zip(steps, values, (start, *values), strict=False):
            differences[end] = self.weight * (now - then)
        return replace(score, value=value, parts=parts, steps=tuple(differences.values()))

    def _steps(self, rollout: Rollout) -> list[tuple[int, str]]:
        if self.process.decode(rollout.start.prefix + rollout.tokens) != rollout.text:
            raise ForageError(
                f"The process model {self.model} reads the policy's tokens as other text: train it from a model with "
                "the policy's tokenizer."
            )
        return step_texts(self.process.pieces_of(rollout.tokens), rollout.step_ends)
