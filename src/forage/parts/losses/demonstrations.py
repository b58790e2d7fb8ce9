"""What is minimized on demonstrations: penalties of theirs alone, each a mean over the tokens of a response first.

Axes: B sequences, T tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch, TokenWeights, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Loss, Penalty, Tallies
from forage.ops.demonstrations import surrogate_ratio, unlikely_weight
from forage.ops.divergences import k3
from forage.ops.exemplars import exemplar_weights
from forage.ops.masked import masked
from forage.ops.success_replay import shaped_ratio


@dataclass(frozen=True, kw_only=True)
class DemonstrationLoss(Loss):
    """sum over penalties of coefficient * sum_b w_b mean_t penalty_bt; the weights w (B,) come with the rows."""

    penalties: tuple[Penalty, ...]

    @property
    def needs(self) -> frozenset[str]:
        return frozenset()

    @property
    def skips_zero_advantage(self) -> bool:
        return False

    @property
    def of_demonstrations(self) -> None:
        return None

    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        return train

    def weigh(self, batch: Batch) -> TokenWeights:
        weights = exemplar_weights(batch.loss_mask, batch.weight)
        return TokenWeights(surrogate=torch.zeros_like(weights), penalty=weights)

    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        """The micro-batch's share, () float32, and the mean of each penalty over the tokens of demonstrations."""
        total, tallies = forward.logprob.sum() * 0, {}
        for penalty in self.penalties:
            term = penalty(forward, train)
            total = total + penalty.coefficient * (weights.penalty * term).sum()
            tallies[f"{penalty.name}_penalty"] = (term.detach().sum(), train.batch.loss_mask.sum())
        return total, {**tallies, "demonstrations": (train.batch.loss_mask.any(dim=1).sum(), torch.tensor(0))}


@dataclass(frozen=True, kw_only=True)
class Likelihood(Penalty):
    """-coefficient * log pi of the tokens: supervised learning of a response."""

    coefficient: float

    name = "likelihood"

    def __post_init__(self) -> None:
        check_coefficient(self.coefficient, self.name)

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        return -masked(forward.logprob, train.batch.loss_mask)


@dataclass(frozen=True, kw_only=True)
class BehaviourKL(Penalty):
    """coefficient * (rho - 1 - log rho), rho = pi / mu, mu the policy that wrote the tokens (`Batch.behaviour`).

    On tokens that mu sampled its mean is KL(mu || pi), and its gradient, (rho - 1) grad log pi, is 0 where pi is mu.
    """

    coefficient: float

    name = "behaviour_kl"

    def __post_init__(self) -> None:
        check_coefficient(self.coefficient, self.name)

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        known = train.batch.loss_mask & train.batch.behaviour.isfinite()
        return k3(masked(train.batch.behaviour, known), masked(forward.logprob, known))


@dataclass(frozen=True, kw_only=True)
class ShapedRatio(Penalty):
    """-coefficient * rho / (rho + constant), rho = pi / mu, mu the policy that wrote the tokens (`Batch.behaviour`).

    The surrogate of an earlier policy's tokens, whose weight is their advantage; nothing is clipped. Tokens whose
    probability under mu is not known are left out.
    """

    coefficient: float = 1.0
    constant: float = 0.1

    name = "shaped_ratio"

    def __post_init__(self) -> None:
        check_coefficient(self.coefficient, self.name)
        if not 0 < self.constant < float("inf"):
            raise ForageError(f"The constant that shapes a ratio must be above 0, not {self.constant}.")

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        known = train.batch.loss_mask & train.batch.behaviour.isfinite()
        behaviour = masked(train.batch.behaviour, known)
        return -shaped_ratio(masked(forward.logprob, known), behaviour, known, constant=self.constant)


@dataclass(frozen=True, kw_only=True)
class SurrogateRatio(Penalty):
    """-coefficient * (1 - pi)^gamma * 4 pi / (3 pi_old + uniform), of tokens whose writer's probabilities nobody knows.

    pi_old (`Batch.behaviour`) is the policy before the step's update; the advantage is the row's weight. Nothing is
    clipped, and the factor (1 - pi)^gamma has no gradient (RL-PLUS, arXiv 2508.00222).
    """

    coefficient: float = 1.0
    gamma: float = 0.5
    uniform: float = 1.0

    name = "surrogate_ratio"

    def __post_init__(self) -> None:
        check_coefficient(self.coefficient, self.name)
        if not 0 <= self.gamma < float("inf"):
            raise ForageError(f"gamma says how much unlikely tokens count: it must be 0 or more, not {self.gamma}.")
        if not 0 < self.uniform <= 1:
            raise ForageError(f"uniform is a probability above 0: 1, or 1 over the vocabulary, not {self.uniform}.")

    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor:
        known = train.batch.loss_mask & train.batch.behaviour.isfinite()
        ratio = surrogate_ratio(forward.logprob, train.batch.behaviour, known, uniform=self.uniform)
        return -ratio * unlikely_weight(forward.logprob, known, gamma=self.gamma)


def check_coefficient(coefficient: float, name: str) -> None:
    """Raises ForageError for what is no strength of a term."""
    if not 0 <= coefficient < float("inf"):
        raise ForageError(f"The coefficient of the {name} term must be 0 or more, not {coefficient}.")
