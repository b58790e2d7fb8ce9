"""The values that a step has found along its responses, for a picture of them: nothing is sampled for it."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from forage.core.protocols import Task, Tools
from forage.core.records import Group, Start
from forage.core.spans import own_before
from forage.parts.values.monte_carlo import state_name


def values_by_token(groups: Sequence[Group], loss_mask: Tensor, tools: Tools, task: Task) -> Tensor | None:
    """(B, T) float32: what continuations said of the state before a token, NaN where none were asked for.

    loss_mask (B, T) bool is that of the batch that was collated from `groups`. Only beginnings of steps have a value.
    None where the policy that sampled the groups was asked for none at all.
    """
    versions = {rollout.version for group in groups for rollout in group.rollouts}
    known = {name[-1]: value.mean for name, value in tools.value_cache.items() if name[0] in versions}
    if not known:
        return None
    pooled = any("\0" in name for name in known)  # keys of states have none
    values = torch.full(loss_mask.shape, math.nan)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    for row, rollout in enumerate(rollouts):
        begins = (0, *rollout.step_ends[:-1])
        states = [Start(rollout.start.problem, rollout.start.prefix + rollout.tokens[:begin]) for begin in begins]
        names = [state_name(state, task, tools) if pooled and state.key not in known else state.key for state in states]
        first_own = torch.tensor([own_before(rollout.given, begin) for begin in begins])
        places = loss_mask[row].cpu().nonzero().squeeze(1)[first_own]
        values[row, places] = torch.tensor([known.get(name, math.nan) for name in names])
    return values
