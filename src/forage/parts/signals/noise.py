"""Random numbers for controls that place something by lot."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class Noise(Signal):
    """`noise`, uniform in [0, 1), independent of what any row holds and of how far the batch is padded."""

    name = "noise"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        rows, width = batch.tokens.shape
        generator = torch.Generator().manual_seed(seed)
        # Drawn column by column: more padding adds columns and changes none.
        columns = [torch.rand(rows, generator=generator) for _ in range(width)]
        return masked(torch.stack(columns, dim=1).to(batch.tokens.device), batch.loss_mask)
