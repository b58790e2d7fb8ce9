"""Generalized advantage estimation with a critic's values (Schulman et al., arXiv 1506.02438)."""

from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Experience
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.returns import at_last_token, check_discounts, gae


@dataclass(frozen=True, kw_only=True)
class Gae(Assign):
    """A_t = sum over l of (gamma * lam)^l * delta_{t+l}, delta_t = r_t + gamma * V_{t+1} - V_t, V the signal `value`.

    The response's value is the reward of its last token; rewards of steps, where a process reward gave some, come at
    the last tokens of the steps. Only learned tokens are actions: the episode of a restarted response begins behind its
    prefix. Behind the last token the value is 0, also where the length limit cut the response off: the limit is part of
    the task, and what was cut off is judged as it stands. lam = 1 is the return minus V, lam = 0 the one-step error.
    """

    gamma: float = 1.0
    lam: float = 1.0

    needs = frozenset({"value"})

    def __post_init__(self) -> None:
        check_discounts(self.gamma, self.lam)

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch = experience.batch
        judged = batch.loss_mask & ~value.isnan()[:, None]
        reward = at_last_token(value, judged) + masked(batch.step_reward, judged)
        return gae(reward, experience.signals["value"].to(value.dtype), judged, gamma=self.gamma, lam=self.lam)
