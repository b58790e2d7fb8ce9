"""How surprised the sampling policy was by a response, next to the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Batch
from forage.core.protocols import Signal, Tools
from forage.core.records import Group
from forage.ops.learning_stages import Scope, check_scope, perplexity_weight
from forage.ops.masked import masked


@dataclass(frozen=True, kw_only=True)
class Perplexity(Signal):
    """`perplexity`: the standardized log-perplexity of a response (`perplexity_weight`), equal on all its tokens.

    Under the sampler, at its temperature; tokens that it could not measure are left out, and so are responses that were
    not judged. With `permuted` the weights are dealt anew among the siblings, which is the placebo.
    """

    scope: Scope = "group"
    permuted: bool = False

    name = "perplexity"

    def __post_init__(self) -> None:
        check_scope(self.scope)

    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor:
        measured = batch.loss_mask & batch.behaviour.isfinite() & ~batch.reward.isnan()[:, None]
        weight = perplexity_weight(batch.behaviour, measured, batch.group, scope=self.scope)
        if self.permuted:
            weight = _dealt(weight, batch, seed)
        return masked(weight.to(torch.float32)[:, None].expand(batch.tokens.shape), batch.loss_mask)


def _dealt(weight: Tensor, batch: Batch, seed: int) -> Tensor:
    """The weights of judged siblings, permuted among them."""
    generator, dealt = torch.Generator().manual_seed(seed), weight.clone()
    for number in batch.group.unique():
        places = ((batch.group == number) & ~batch.reward.isnan()).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=generator).to(places.device)
        dealt[places] = weight[places[order]]
    return dealt
