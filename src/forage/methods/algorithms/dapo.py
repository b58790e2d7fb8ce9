"""DAPO: clip-higher, token mean, overlong shaping and dynamic sampling (Yu et al., arXiv 2503.14476)."""

from dataclasses import replace

from forage.methods.algorithms.grpo import grpo
from forage.methods.catalogue import method
from forage.parts.rewards.overlong import Overlong
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Loss, Reward, Explore", paper="arXiv 2503.14476")
def dapo(
    recipe: Recipe,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.28,
    overlong_buffer: float = 0.2,
    max_rounds: int = 3,
) -> Recipe:
    """GRPO that clips less upwards, averages tokens, softly penalizes overlong answers and refills silent groups.

    `overlong_buffer` is the share of the response limit over which the penalty grows (the paper: 4,096 of 20,480).
    """
    limit = recipe.sampling.max_tokens
    overlong = Overlong(limit=limit, buffer=max(1, round(overlong_buffer * limit)))
    changed = grpo.function(recipe, clip_low=clip_low, clip_high=clip_high)
    return replace(
        changed,
        rewards=(*recipe.rewards, overlong),
        grouping=replace(recipe.grouping, require_variance=True, max_rounds=max_rounds),
    )
