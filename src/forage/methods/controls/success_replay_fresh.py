"""What success replay learns from anew, sampled instead of remembered."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.success_replay import success_replay
from forage.parts.memory.successes import SuccessReplay
from forage.training.recipe import Recipe


@variant(
    success_replay,
    kind="control",
    seam="Memory, Loss",
    paper="control of arXiv 2507.07451, 2510.02245",
    without=("share", "begin", "slots"),
)
def success_replay_fresh(recipe: Recipe) -> Recipe:
    """No memory, and every group has as many more fresh siblings as it would be shown successes: as many learned rows.

    Under `exgrpo`, which shows some to a part of the groups only, it learns from more rows than the method does.
    """
    assert isinstance(recipe.memory, SuccessReplay)
    grouping = replace(recipe.grouping, group_size=recipe.grouping.group_size + recipe.memory.replays)
    loss = replace(recipe.policy_loss, demonstration_penalties=())
    return replace(recipe, memory=recipe.memory.inner, grouping=grouping, policy_loss=loss)
