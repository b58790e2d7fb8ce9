"""Bonuses added to settled advantages: for rare answers (arXiv 2509.06941) and for novelty (arXiv 2505.17621)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class VisitAddition(Shape):
    """A + weight * b, b the signal `visit_bonus`. It acts where all siblings are wrong too."""

    weight: float = 0.2

    signal: ClassVar[str] = "visit_bonus"
    at = "sampling"
    needs = frozenset({"visit_bonus"})
    keeps_zero = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ForageError(f"The weight of the bonus must be 0 (off) or more, not {self.weight}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(advantage + self.weight * signals[self.signal], loss_mask)


@dataclass(frozen=True, kw_only=True)
class NoveltyAddition(VisitAddition):
    """A + weight * b, b the signal `novelty_bonus`."""

    weight: float = 1.0

    signal = "novelty_bonus"
    needs = frozenset({"novelty_bonus"})
