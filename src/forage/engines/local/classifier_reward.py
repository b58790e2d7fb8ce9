"""A classifier of responses as the reward: how probably, it finds, a response is of the kind that is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from forage.core.mode_keys import drawn_from
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.engines.local.reward_model import RewardModel


@dataclass(frozen=True, kw_only=True)
class ClassifierReward(Reward):
    """The value becomes sigma(logit) of a frozen sequence classifier with one output, in [0, 1] (arXiv 2403.01185).

    A response that was cut at the length limit is shown to it without an end. What could not be judged stays unjudged.
    The scores are graded: nothing that learns may ask the verifier any more. `Score.parts` keeps what the verifier
    said, and adds `classifier`. `permuted` is the control: the probabilities of siblings are dealt anew among them.
    """

    model: str
    device: str = "cpu"
    permuted: bool = False

    @cached_property
    def opened(self) -> RewardModel:
        """Loaded when the first response is judged."""
        return RewardModel.load(Path(self.model), device=self.device)

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        prompt = rollouts[0].start.problem.prompt
        texts = [self.opened.encode(prompt, each.text, finished=each.stop != "length") for each in rollouts]
        chances: list[float] = torch.tensor(self.opened.score(texts), dtype=torch.float64).sigmoid().tolist()
        if self.permuted:
            chances = drawn_from(rollouts).sample(chances, len(chances))
        return tuple(
            replace(score, value=0 * score.value + chance, parts={**score.parts, "classifier": chance}, graded=True)
            for score, chance in zip(scores, chances, strict=True)
        )
