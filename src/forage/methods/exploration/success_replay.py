"""Replay of whole successes: RLEP (arXiv 2507.07451) and ExGRPO (arXiv 2510.02245)."""

from typing import Literal

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_demonstrations
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.losses.demonstrations import Likelihood, ShapedRatio
from forage.parts.memory.successes import SuccessReplay
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Loss", paper="arXiv 2507.07451, 2510.02245")
def success_replay(
    recipe: Recipe,
    *,
    rule: Literal["rlep", "exgrpo"] = "rlep",
    replays: int | None = None,
    share: float = 0.5,
    begin: float = 0.35,
    slots: int = 8,
) -> Recipe:
    """Learns again from earlier right responses, each with the advantage it would have as one more sibling.

    `rlep`: every group is shown 2 (`replays`) at random of those kept of its problem, without a correction for the
    policy that wrote them. `exgrpo`: once a step was right in the share `begin` of its responses, `share` of a step's
    problems are drawn among those that were right in part, about half right first, and shown 1 success each, the one
    of the lowest entropy, under the ratio r / (r + .1); problems that were all right are not drawn for it again.
    Fresh siblings keep their own mean, so an empty memory is the base algorithm.
    """
    if rule not in ("rlep", "exgrpo"):
        raise ForageError(f"rule is rlep or exgrpo, not {rule!r}.")
    scale = "std" if any(isinstance(part, StdScale) for part in recipe.credit.baselines) else "none"
    if rule == "rlep":
        memory = SuccessReplay(inner=recipe.memory, replays=_given(replays, 2), slots=slots, scale=scale)
        return add_demonstrations(recipe, memory, Likelihood(coefficient=1.0))
    memory = SuccessReplay(
        inner=recipe.memory,
        replays=_given(replays, 1),
        choice="entropy",
        share=share,
        begin=begin,
        slots=slots,
        scale=scale,
    )
    return add_demonstrations(recipe, memory, ShapedRatio(coefficient=1.0))


def _given(replays: int | None, published: int) -> int:
    return published if replays is None else replays
