"""A control of entropy-based advantage shaping: reweighting by difficulty, without looking at any token."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from forage.core.protocols import Moment, Shape
from forage.ops.entropy import check_kappa
from forage.ops.entropy_placebos import group_reweight
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class GroupReweight(Shape):
    """A * (1 + (1 - 2p) / kappa), p the success rate of the group: hard problems count more, easy ones less.

    With 0/1 rewards this is in expectation what the entropy bonus does to the gradient of a token where its cap binds.
    """

    kappa: float = 2.0
    at: Moment = "sampling"

    needs = frozenset({"success_rate"})

    def __post_init__(self) -> None:
        check_kappa(self.kappa)

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return masked(group_reweight(advantage, signals["success_rate"], kappa=self.kappa), loss_mask)
