"""Rewards from small models on frozen text vectors: an ensemble (arXiv 2502.04357), and a pessimist (2301.11270)."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from forage.core.errors import ForageError
from forage.core.mode_keys import permuted
from forage.core.protocols import Reward
from forage.core.records import Rollout, Score
from forage.engines.local.model_reward import scored
from forage.grams.mining.embedding import embedder
from forage.ops.linear_rewards import confidence_width, linear_preferences
from forage.reward_models.preference import Ranking, read_rankings
from forage.reward_models.preference.embedding_heads import (
    HeadFit,
    fit_heads,
    pair_differences,
    ranking_vectors,
    text_vectors,
)
from forage.reward_models.preference.train import shuffled


@dataclass(frozen=True, kw_only=True)
class PreferenceReward(Reward):
    """What both rewards share: a file of preferences, fitted when the first response is judged, the same every time.

    `encoder` names the text vectors: "" for hashed words and trigrams, "minilm", or another encoder's name or folder.
    The value becomes `outcome` times what it was plus `weight` times the reward; without `outcome` scores are graded.
    """

    preferences: str
    encoder: str = ""
    weight: float = 1.0
    outcome: float = 0.0

    def __post_init__(self) -> None:
        if self.weight == 0 or not math.isfinite(self.weight):
            raise ForageError(f"The weight of a reward by preferences is a number other than 0, not {self.weight}.")

    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]:
        prompts = [rollout.start.problem.question for rollout in rollouts]
        vectors = text_vectors(embedder(self.encoder or None), prompts, [rollout.text for rollout in rollouts])
        rows = self._rewards(vectors, rollouts, scores)
        return tuple(
            scored(score, row, weight=self.weight, outcome=self.outcome)
            for score, row in zip(scores, rows, strict=True)
        )

    @cached_property
    def _rankings(self) -> tuple[Ranking, ...]:
        return usable_rankings(Path(self.preferences))

    @abstractmethod
    def _rewards(
        self, vectors: Tensor, rollouts: Sequence[Rollout], scores: Sequence[Score]
    ) -> Sequence[Sequence[float]]:
        """For every response what each member of the ensemble says."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingReward(PreferenceReward):
    """The mean reward of small networks that were fitted to the preferences, each from a beginning of its own.

    `Score.parts` holds it as `reward_model`, and `reward_model_spread`, its standard deviation over the members. With
    `placebo` the preferences are shuffled before: the control.
    """

    members: int = 5
    hidden: int = 32
    epochs: int = 30
    placebo: bool = False

    def __post_init__(self) -> None:
        PreferenceReward.__post_init__(self)
        _ = self._fit

    @property
    def _fit(self) -> HeadFit:
        return HeadFit(members=self.members, hidden=self.hidden, epochs=self.epochs)

    @cached_property
    def _heads(self) -> tuple[nn.Sequential, ...]:
        vectors = ranking_vectors(embedder(self.encoder or None), self._rankings)
        return fit_heads(_shuffled(vectors) if self.placebo else vectors, self._fit)

    def _rewards(
        self, vectors: Tensor, rollouts: Sequence[Rollout], scores: Sequence[Score]
    ) -> Sequence[Sequence[float]]:
        return torch.stack([head(vectors)[:, 0] for head in self._heads], dim=1).tolist()


@dataclass(frozen=True, kw_only=True)
class PessimisticReward(PreferenceReward):
    """The linear reward under which the pairs are most likely, minus `radius` times the width of its confidence.

    The width is measured from the mean vector of all ranked responses (nu, our choice). With `permuted` what is
    subtracted is dealt anew among siblings, right and wrong apart: the control.
    """

    radius: float = 0.1
    ridge: float = 0.01
    permuted: bool = False

    def __post_init__(self) -> None:
        PreferenceReward.__post_init__(self)
        if not (0 <= self.radius < math.inf and 0 < self.ridge < math.inf):
            raise ForageError(
                f"Pessimism has a radius of 0 (none) or more and a ridge above 0, not {self.radius} and {self.ridge}."
            )

    @cached_property
    def _known(self) -> tuple[Tensor, Tensor, Tensor]:
        """(theta (D,), differences of the pairs (N, D), mean vector (D,))."""
        vectors = ranking_vectors(embedder(self.encoder or None), self._rankings)
        difference = pair_differences(vectors).double()
        return linear_preferences(difference, ridge=self.ridge), difference, torch.cat(vectors).double().mean(0)

    def _rewards(
        self, vectors: Tensor, rollouts: Sequence[Rollout], scores: Sequence[Score]
    ) -> Sequence[Sequence[float]]:
        theta, difference, center = self._known
        width = confidence_width(vectors, difference, ridge=self.ridge, center=center)
        taken: Sequence[float | None] = (self.radius * width).tolist()
        if self.permuted:
            taken = permuted(taken, rollouts, scores)
        rewards = (vectors.double() @ theta).tolist()
        return [[reward - (less or 0.0)] for reward, less in zip(rewards, taken, strict=True)]


def usable_rankings(path: Path) -> tuple[Ranking, ...]:
    """The comparisons of a file. Raises ForageError where a row cannot be used, or there is none."""
    rankings = read_rankings(path)
    if rankings.rejected:
        raise ForageError(f"{len(rankings.rejected)} rows of {path} cannot be used; the first: {rankings.rejected[0]}")
    if not rankings.rankings:
        raise ForageError(f"{path} holds no comparison.")
    return rankings.rankings


def _shuffled(vectors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The rows of every ranking in an order that says nothing."""
    places = shuffled([tuple((row,) for row in range(len(rows))) for rows in vectors], seed=0)
    return tuple(rows[[row for (row,) in order]] for rows, order in zip(vectors, places, strict=True))
