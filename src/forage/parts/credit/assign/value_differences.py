"""Each step is credited with what it changed in the value of the state (VinePPO, arXiv 2410.01679)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.returns import value_differences


@dataclass(frozen=True, kw_only=True)
class ValueDifferences(Assign):
    """A_j = V(s_{j+1}) - V(s_j) on all tokens of step j; the last step gets R - V(s_j), for its end has no future.

    R is the response's value as the baselines left it (its return, without any) and V the signal `step_value`. With
    gamma = 1 the steps' advantages sum to R - V(s_0).
    """

    needs = frozenset({"step_value"})

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch = experience.batch
        before = masked(experience.signals["step_value"], batch.loss_mask).to(value.dtype)
        credit = value_differences(value, before, batch.step, batch.loss_mask)
        return masked(credit, batch.loss_mask & ~value.isnan()[:, None])
