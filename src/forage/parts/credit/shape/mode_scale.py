"""Settled advantages by how usual a response is among its siblings: a factor, and an addition."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class ModeScale(Shape):
    """A * (1 + strength * (w - 1)), w the signal `mode_weight`: with strength 1 the factor w itself.

    A factor is silent where the advantage is 0, so groups in which all are right are not moved: it can slow the loss of
    a mode and never brings one back.
    """

    strength: float = 1.0

    at = "sampling"
    needs = frozenset({"mode_weight"})

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ForageError(f"strength lies between 0 (off) and 1 (the weight itself), not {self.strength}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(advantage * (1 + self.strength * (signals["mode_weight"] - 1)), loss_mask)


@dataclass(frozen=True, kw_only=True)
class SetAddition(Shape):
    """A + weight * b, b the signal `set_bonus` (SetPO, arXiv 2602.01062).

    Unlike a factor it also moves groups in which all are right.
    """

    weight: float = 1.0

    at = "sampling"
    needs = frozenset({"set_bonus"})
    keeps_zero = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ForageError(f"The weight of the bonus must be 0 (off) or more, not {self.weight}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(advantage + self.weight * signals["set_bonus"], loss_mask)
