"""A control of entropy-based advantage shaping: a factor on uncertain tokens, the same for praise and blame."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Shape
from forage.ops.entropy_placebos import check_scale, high_entropy_scale


@dataclass(frozen=True, kw_only=True)
class HighEntropyScale(Shape):
    """A * (1 + scale) on the tokens whose entropy is above the `quantile` of all learned tokens of the batch.

    The threshold is the smallest entropy that at least `quantile` of the tokens do not exceed. It is the batch's, never
    a micro-batch's: so this shape looks at the signals of the sampling policy.
    """

    scale: float = 0.2
    quantile: float = 0.8

    at = "sampling"
    needs = frozenset({"entropy"})

    def __post_init__(self) -> None:
        check_scale(self.scale, self.quantile)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return high_entropy_scale(advantage, signals["entropy"], loss_mask, scale=self.scale, quantile=self.quantile)
