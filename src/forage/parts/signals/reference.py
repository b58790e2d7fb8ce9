"""What the model that training began with thinks of the sampled tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Batch
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class ReferenceLogprob(Signal):
    """`reference`: log-probabilities under the reference policy at the sampling temperature. One more forward pass."""

    name = "reference"
    needs_reference = True

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        if tools.reference is None:
            raise ForageError("The signal `reference` needs a reference policy; this engine was opened without one.")
        return masked(tools.reference.measure(batch).logprob, batch.loss_mask)
