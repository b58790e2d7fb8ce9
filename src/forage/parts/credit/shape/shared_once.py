"""A beginning that several siblings share counts once (lambda-GRPO, arXiv 2509.21154)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.masked import masked
from forage.ops.shared_prefixes import check_power


@dataclass(frozen=True, kw_only=True)
class SharedOnce(Shape):
    """A / n^power, n the signal `sharing`: how many judged siblings share the token and all before it.

    Surrogates are linear in the size of the advantage, so with power 1 each token's loss is divided by n. Where nothing
    is shared nothing changes.
    """

    power: float = 1.0

    at = "sampling"
    needs = frozenset({"sharing"})

    def __post_init__(self) -> None:
        check_power(self.power)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        many = masked(signals["sharing"], loss_mask).clamp_min(1)
        return masked(advantage, loss_mask) / many**self.power
