"""The same advantage for every token of a response, as in GRPO (arXiv 2402.03300, section 4.1.2)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.protocols import Assign
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class Uniform(Assign):
    """Every learned token of a response gets the response's value."""

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        loss_mask = experience.batch.loss_mask
        judged = ~value.isnan()
        return masked(value[:, None].expand(loss_mask.shape), loss_mask & judged[:, None])
