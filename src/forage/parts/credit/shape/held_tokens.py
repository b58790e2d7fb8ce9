"""Tokens that an update is kept away from."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class HeldTokens(Shape):
    """A * (1 - strength) on the tokens of the step signal `clip_cov`: with strength 1 they have no gradient.

    The denominators of the loss stay as they are (arXiv 2505.22617).
    """

    strength: float = 1.0

    at = "update"
    needs = frozenset({"clip_cov"})

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ForageError(f"strength lies between 0 (off) and 1 (no gradient), not {self.strength}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(advantage * (1 - self.strength * signals["clip_cov"]), loss_mask)
