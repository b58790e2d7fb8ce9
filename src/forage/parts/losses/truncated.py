"""A loss under importance weights: the sampler's distribution is not the one that the gradient is taken of."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from forage.core.batch import Batch, TokenWeights, TrainBatch
from forage.core.protocols import Forward, Loss, Tallies

WEIGHT = "importance_weight"
"""The signal (B, T) that holds the weights."""


@dataclass(frozen=True, kw_only=True)
class Truncated(Loss):
    """`loss` with the surrogate of every token multiplied by its importance weight; penalties stay as they are.

    The denominators stay too: a weighted sum over the sampler's tokens estimates the sum over the trainer's. Weights
    of exactly 1 change no bit.
    """

    loss: Loss

    @property
    def needs(self) -> frozenset[str]:
        return self.loss.needs | {WEIGHT}

    @property
    def skips_zero_advantage(self) -> bool:
        return self.loss.skips_zero_advantage

    @property
    def of_demonstrations(self) -> Loss | None:
        """Theirs is no importance weight: nobody sampled them in this step."""
        return self.loss.of_demonstrations

    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        return self.loss.settle(train, look, state)

    def weigh(self, batch: Batch) -> TokenWeights:
        return self.loss.weigh(batch)

    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        corrected = replace(weights, surrogate=weights.surrogate * train.signals[WEIGHT])
        return self.loss(forward, train, corrected)
