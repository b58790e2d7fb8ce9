"""How many siblings share each token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from forage.core.batch import Batch
from forage.core.collate import collate
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.masked import masked
from forage.ops.shared_prefixes import sharing


@dataclass(frozen=True, kw_only=True)
class SharedPrefix(Signal):
    """`sharing`: how many judged siblings have this token and all before it, itself counted; 0 on unjudged rows."""

    name = "sharing"

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        judged = batch.loss_mask & ~batch.reward.isnan()[:, None]
        return masked(sharing(batch.tokens, judged, batch.group), judged)

    def metrics(self, groups: Sequence[Group], tools: Tools) -> Mapping[str, float]:
        """`shared_share`: the share of all tokens that more than one sibling has."""
        batch = collate(groups, tools.codec.prompt)
        shared = sharing(batch.tokens, batch.loss_mask, batch.group) > 1
        return {"shared_share": float(shared.sum() / batch.loss_mask.sum())}
