"""Reductions: what the losses of tokens are averaged over.

Each returns weights (B, T) float32, so that the loss of an optimizer step is the weighted sum of its tokens' losses and
micro-batches add up. w_b is the weight of sequence b (1 unless a memory says otherwise), n_b its number of learned
tokens. Axes: B sequences, T tokens.
"""

from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Reduction
from forage.ops.reductions import check_length, fixed_length, sequence_mean, token_mean


@dataclass(frozen=True, kw_only=True)
class TokenMean(Reduction):
    """The mean over all learned tokens of the step: w_b / sum_b w_b n_b. Long responses count more (DAPO)."""

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        return token_mean(loss_mask, weight)


@dataclass(frozen=True, kw_only=True)
class SequenceMean(Reduction):
    """The mean over sequences of the mean over their tokens: w_b / (n_b sum_b w_b), as GRPO and GSPO were published.

    Sequences without a learned token are not counted.
    """

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        return sequence_mean(loss_mask, weight)


@dataclass(frozen=True, kw_only=True)
class FixedLength(Reduction):
    """Sums over tokens divided by a constant length: w_b / (length sum_b w_b) (Dr. GRPO, arXiv 2503.20783).

    Neither a response's length nor the others' changes the weight of its tokens, so the gradient is unbiased up to the
    constant; `length` is usually the limit of the response.
    """

    length: int

    def __post_init__(self) -> None:
        check_length(self.length)

    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        return fixed_length(loss_mask, weight, length=self.length)
