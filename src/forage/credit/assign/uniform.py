"""The same advantage for every token of a response, as in GRPO (arXiv 2402.03300, section 4.1.2)."""

from dataclasses import dataclass

from torch import Tensor

from forage.batch import Experience
from forage.ops.masked import masked
from forage.protocols import Assign


@dataclass(frozen=True, kw_only=True)
class Uniform(Assign):
    """Every learned token of a response gets the response's value."""

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        learn = experience.batch.learn
        judged = ~value.isnan()
        return masked(value[:, None].expand(learn.shape), learn & judged[:, None])
