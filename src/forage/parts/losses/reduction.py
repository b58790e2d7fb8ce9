"""Reductions: what the losses of tokens are averaged over.

Each returns weights (B, T) float32, so that the loss of an optimizer step is the weighted sum of its tokens' losses and
micro-batches add up. w_b is the weight of sequence b (1 unless a memory says otherwise), n_b its number of learned
tokens. Axes: B sequences, T tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Reduction
from forage.ops.masked import require_shape


@dataclass(frozen=True, kw_only=True)
class TokenMean(Reduction):
    """The mean over all learned tokens of the step: w_b / sum_b w_b n_b. Long responses count more (DAPO)."""

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        count = _weighted(loss_mask, weight)
        return _over(count, count.sum())


@dataclass(frozen=True, kw_only=True)
class SequenceMean(Reduction):
    """The mean over sequences of the mean over their tokens: w_b / (n_b sum_b w_b), as GRPO and GSPO were published.

    Sequences without a learned token are not counted.
    """

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        length = loss_mask.sum(dim=1).double()
        return _over(
            _weighted(loss_mask, weight) / length.clamp_min(1)[:, None],
            weight.double().masked_fill(length == 0, 0).sum(),
        )


@dataclass(frozen=True, kw_only=True)
class FixedLength(Reduction):
    """Sums over tokens divided by a constant length: w_b / (length sum_b w_b) (Dr. GRPO, arXiv 2503.20783).

    Neither a response's length nor the others' changes the weight of its tokens, so the gradient is unbiased up to the
    constant; `length` is usually the limit of the response.
    """

    length: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ForageError(f"The constant length must be at least 1 token, not {self.length}.")

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        return _over(_weighted(loss_mask, weight), self.length * weight.double().sum())


def _weighted(loss_mask: Tensor, weight: Tensor) -> Tensor:
    """(B, T) float64: the sequence's weight on its learned tokens."""
    require_shape((loss_mask.shape[0],), weight=weight)
    return loss_mask.double() * weight.double()[:, None]


def _over(weights: Tensor, total: Tensor) -> Tensor:
    """Zero where there is nothing to average over."""
    return torch.where(total > 0, weights / total, 0).to(torch.float32)
