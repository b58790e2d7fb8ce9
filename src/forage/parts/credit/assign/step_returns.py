"""Credit step by step: what the rest of a response earns, added to what the response is worth.

Where the rewards of steps are differences of a process model's scores, v_l - v_{l-1}, they add up to v_L - v_0 however
many steps there are: with discount 1 a response earns what a terminal reward v_L would give it, less a baseline of the
state.
"""

from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.errors import ForageError
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.returns import step_returns


@dataclass(frozen=True, kw_only=True)
class StepReturns(Assign):
    """Every learned token of step l gets the response's value plus the sum of discount^(m - l) r_m over steps m >= l.

    discount 0 is the reward of the token's own step, which for potential differences is the advantage of the step under
    the process model; 1 is everything that is still to come. Raises ForageError for a discount outside [0, 1].
    """

    discount: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.discount <= 1:
            raise ForageError(f"The discount of later steps must lie between 0 and 1, not {self.discount}.")

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch = experience.batch
        judged = batch.loss_mask & ~value.isnan()[:, None]
        later = step_returns(batch.step_reward, batch.step, batch.loss_mask, discount=self.discount)
        return masked(value[:, None] + later, judged)
