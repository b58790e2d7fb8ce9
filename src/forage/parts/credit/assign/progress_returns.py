"""Credit by progress: what the policy's belief in the right answer gained from a step on (BARL, arXiv 2505.20561)."""

import math
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.errors import ForageError
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.returns import step_returns


@dataclass(frozen=True, kw_only=True)
class ProgressReturns(Assign):
    """Every token of step l gets the response's value plus `weight` times the sum of discount^(m - l) r_m over m >= l.

    r_m is the signal `answer_progress` of step m. discount 0 is the progress of the token's own step, 1 that of all
    that is still to come. Raises ForageError for a discount outside [0, 1] and a weight of 0.
    """

    discount: float = 0.0
    weight: float = 1.0

    needs = frozenset({"answer_progress"})

    def __post_init__(self) -> None:
        if not 0 <= self.discount <= 1:
            raise ForageError(f"The discount of later steps must lie between 0 and 1, not {self.discount}.")
        if self.weight == 0 or not math.isfinite(self.weight):
            raise ForageError(f"The weight of progress is a number other than 0, not {self.weight}.")

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch = experience.batch
        judged = batch.loss_mask & ~value.isnan()[:, None]
        progress = experience.signals["answer_progress"]
        later = step_returns(progress, batch.step, batch.loss_mask, discount=self.discount)
        return masked(value[:, None] + self.weight * later, judged)
