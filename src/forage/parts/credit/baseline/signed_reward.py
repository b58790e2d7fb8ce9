"""Right and wrong responses at weights of their own, without a baseline (arXiv 2506.01347)."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.ops.success_advantages import signed_advantage


@dataclass(frozen=True, kw_only=True)
class SignedReward(Baseline):
    """`positive` for a reward of 1, `negative` for one of 0: W-REINFORCE (0.1, -1), NSR (0, -1), PSR (1, 0).

    Nothing is compared with siblings, so groups of one are enough, and groups in which all are right or all are wrong
    are learned from.
    """

    positive: float = 0.1
    negative: float = -1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.positive) and math.isfinite(self.negative)):
            raise ForageError(f"The weights of right and wrong must be finite, not {self.positive}, {self.negative}.")
        if not self.positive >= 0 >= self.negative:
            raise ForageError(
                f"A right response gains probability and a wrong one loses it: positive >= 0 >= negative, not "
                f"{self.positive} and {self.negative}."
            )
        if self.positive == self.negative:
            raise ForageError("positive and negative cannot both be 0: nothing would be learned.")

    def __call__(self, value: Tensor, group: Tensor) -> Tensor:
        return signed_advantage(value, positive=self.positive, negative=self.negative)
