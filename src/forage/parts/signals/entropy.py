"""The entropy of the policy that sampled."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class SampledEntropy(Signal):
    """`entropy`, in nats over the full vocabulary at the sampling temperature, recorded while sampling.

    Shapes of the moment "update" see the current policy's entropy under the same name instead.
    """

    name = "entropy"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        return masked(batch.entropy, batch.loss_mask)
