"""Surrogates: how the advantage of a token becomes a loss, and how far the ratio may move.

r = pi / mu is the importance ratio between the policy being updated and the one that sampled. Every surrogate has the
gradient -A * grad log pi where r = 1, so at the first update of a batch they agree (`CISPO` and `Reinforce` in value
only up to a constant). Axes: B sequences, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Surrogate
from forage.ops.masked import masked
from forage.ops.ratios import clip, sequence_ratio, token_ratio


@dataclass(frozen=True, kw_only=True)
class Reinforce(Surrogate):
    """-A * log pi: the plain policy gradient (Williams 1992). Nothing is clipped; the sampler's version is ignored."""

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return -masked(advantage, loss_mask) * masked(logprob, loss_mask), torch.zeros_like(loss_mask)


@dataclass(frozen=True, kw_only=True)
class PPOClip(Surrogate):
    """-min(r A, clip(r, 1 - low, 1 + high) A) per token (Schulman et al., arXiv 1707.06347, equation 7).

    A `high` above `low` is clip-higher (DAPO, arXiv 2503.14476). A token is clipped, without a gradient, where the
    ratio has already moved beyond the bound in the direction that its advantage wants.
    """

    low: float = 0.2
    high: float = 0.2

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _pessimistic(token_ratio(logprob, behaviour, loss_mask), advantage, loss_mask, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class GSPO(Surrogate):
    """Clipping by one length-normalized ratio per sequence (Zheng et al., arXiv 2507.18071, equations 5 to 7).

    In the paper's token form (equations 13 and 14), which with one advantage per sequence and `SequenceMean` is GSPO
    itself, value and gradient, and which lets shapes give tokens different advantages. The published bounds are 3e-4
    and 4e-4: ratios of whole sequences hardly move.
    """

    low: float = 3e-4
    high: float = 4e-4

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        return _pessimistic(sequence_ratio(logprob, behaviour, loss_mask), advantage, loss_mask, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class CISPO(Surrogate):
    """-sg[clip(r, 1 - low, 1 + high)] * A * log pi (MiniMax-M1, arXiv 2506.13585, equations 4 and 5).

    The weight is clipped, never the gradient: a token that moved far still learns. `clipped` marks the tokens whose
    weight was held. The paper has no lower bound (low = 1 here) and does not publish the upper one.
    """

    low: float = 1.0
    high: float = 0.2

    def __post_init__(self) -> None:
        check_bounds(self.low, self.high)

    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        ratio = token_ratio(logprob.detach(), behaviour, loss_mask)
        advantage = masked(advantage, loss_mask)
        held = (ratio < 1 - self.low) | (ratio > 1 + self.high)
        loss = -clip(ratio, self.low, self.high) * advantage * masked(logprob, loss_mask)
        return loss, held & (advantage != 0)


def _pessimistic(ratio: Tensor, advantage: Tensor, loss_mask: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """-min(r A, clip(r) A), and where the clipped branch was taken, so that no gradient is left."""
    advantage = masked(advantage, loss_mask)
    free, held = ratio * advantage, clip(ratio, low, high) * advantage
    return -torch.minimum(free, held), (held < free).detach()


def check_bounds(low: float, high: float) -> None:
    if not (0 <= low <= 1 and high >= 0):
        raise ForageError(f"Ratios are held between 1 - low and 1 + high: low in [0, 1], high >= 0, not {low}, {high}.")
