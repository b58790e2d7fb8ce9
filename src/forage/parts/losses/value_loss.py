"""What a critic minimizes: the clipped error of its values against returns.

Axes: B sequences, T tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Batch, TokenWeights, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Tallies
from forage.ops.masked import masked_sum
from forage.ops.returns import at_last_token, check_discounts, gae
from forage.ops.values import clipped_value_error
from forage.parts.losses.reduction import TokenMean


@dataclass(frozen=True, kw_only=True)
class ValueLoss:
    """Mean over learned tokens of the clipped squared error (`clipped_value_error`) against the targets.

    The target of a token is its value before the update (the signal `value`) plus its generalized advantage with this
    `gamma` and `lam`: with lam = 1 the discounted return, whatever the values were. Rewards and the end of a response
    are those of `Gae`; no baseline, whitening or bonus reaches the targets. Unjudged responses are left out.
    """

    clip: float = 0.2
    gamma: float = 1.0
    lam: float = 1.0

    def __post_init__(self) -> None:
        if not self.clip > 0:
            raise ForageError(f"The clip of values must be above 0 (use inf for none), not {self.clip}.")
        check_discounts(self.gamma, self.lam)

    @property
    def skips_zero_advantage(self) -> bool:
        return False

    @property
    def of_demonstrations(self) -> None:
        """A demonstration has no return of the policy's own."""
        return None

    def settle(self, train: TrainBatch, look: Callable[[Batch], Tensor], state: dict[str, float]) -> TrainBatch:
        return train

    def weigh(self, batch: Batch) -> TokenWeights:
        weights = TokenMean()(judged(batch), batch.weight)
        return TokenWeights(surrogate=weights, penalty=weights)

    def targets(self, train: TrainBatch) -> Tensor:
        """(B, T) float32, 0 off the mask and on unjudged rows."""
        batch, mask = train.batch, judged(train.batch)
        before = train.signals["value"].double()
        reward = at_last_token(batch.reward.double(), mask) + batch.step_reward
        return (gae(reward, before, mask, gamma=self.gamma, lam=self.lam) + before.masked_fill(~mask, 0)).float()

    def __call__(self, value: Tensor, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        """value (B, T) float32 with gradient -> the micro-batch's share of the loss, () float32, and its metrics."""
        mask = judged(train.batch)
        error, held = clipped_value_error(value, train.signals["value"], self.targets(train), mask, clip=self.clip)
        count = mask.sum()
        tallies = {"value_loss": (error.detach().sum(), count), "value_clip_share": (masked_sum(held, mask), count)}
        return (weights.surrogate * error).sum(), tallies


def judged(batch: Batch) -> Tensor:
    """(B, T) bool: the learned tokens of the responses that were judged."""
    return batch.loss_mask & ~batch.reward.isnan()[:, None]
