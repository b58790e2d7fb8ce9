"""Advantages with mean 0 and deviation 1 over the learned tokens of a step, as PPO implementations use them."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Shape
from forage.ops.whitening import whiten


@dataclass(frozen=True, kw_only=True)
class Whiten(Shape):
    """(A - mean) / (deviation + eps), both over all learned tokens of the step's judged responses.

    Comes before shapes that add a bonus: a cap on |A| is meant for whitened advantages. An advantage of 0 does not stay
    0, and where all are nearly equal their noise is blown up. The statistics are the batch's, never a micro-batch's.
    """

    eps: float = 1e-8

    at = "sampling"
    keeps_zero = False
    normalizes = True

    def __post_init__(self) -> None:
        if not self.eps >= 0:
            raise ForageError(f"eps must be 0 or more, not {self.eps}.")

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return whiten(advantage, loss_mask, eps=self.eps)
