"""What the model that training began with thinks of the sampled tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from forage.batch import Batch
from forage.errors import ForageError
from forage.ops.masked import masked
from forage.protocols import Signal, Tools
from forage.records import Group


@dataclass(frozen=True, kw_only=True)
class ReferenceLogprob(Signal):
    """`reference`: log-probabilities under the reference policy at the sampling temperature. One more forward pass."""

    name = "reference"
    needs_reference = True

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        if tools.reference is None:
            raise ForageError("The signal `reference` needs a reference policy; this engine was opened without one.")
        return masked(tools.reference.measure(batch).logprob, batch.learn)
