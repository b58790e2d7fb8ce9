"""Losses averaged over what is learned from, where a rule learns from some of the responses or tokens only."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.reductions import check_kept_share, kept_denominator


@dataclass(frozen=True, kw_only=True)
class KeptDenominator(Shape):
    """A * tokens / kept tokens, over the whole step: kept are those whose advantage is not 0.

    Surrogates are linear in the size of the advantage, so under a mean over tokens this is what dropping the others
    before the batch is made gives. It makes the step larger and changes no direction. `share` between 0 and 1 goes only
    part of the way: 0 divides by all tokens, as without this shape.
    """

    share: float = 1.0

    at = "sampling"

    def __post_init__(self) -> None:
        check_kept_share(self.share)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return kept_denominator(advantage, loss_mask, share=self.share)
