"""What the critic thinks of the state before each token."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class StateValue(Signal):
    """`value`: the return that the critic expects from the state before each learned token. One pass of the critic."""

    name = "value"
    needs_critic = True

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        if tools.critic is None:
            raise ForageError("The signal `value` needs a critic; this recipe has none.")
        return masked(tools.critic.measure(batch), batch.loss_mask)
