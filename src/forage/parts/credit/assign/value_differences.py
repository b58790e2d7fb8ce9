"""Each step is credited with what it changed in the value of the state (VinePPO, arXiv 2410.01679)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Experience
from forage.core.protocols import Assign
from forage.ops.masked import masked


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
        rows, width = before.shape
        border = torch.zeros_like(batch.loss_mask)  # the last tokens of all steps but the last
        border[:, :-1] = batch.loss_mask[:, :-1] & batch.loss_mask[:, 1:] & (batch.step[:, 1:] != batch.step[:, :-1])
        place = torch.arange(width, device=before.device).expand(rows, width)
        nearest = torch.where(border, place, width).flip(1).cummin(dim=1).values.flip(1)  # at or behind each token
        following = torch.cat([before[:, 1:], before.new_zeros(rows, 2)], dim=1).gather(1, nearest)
        after = torch.where(nearest < width, following, value[:, None])
        return masked(after - before, batch.loss_mask & ~value.isnan()[:, None])
