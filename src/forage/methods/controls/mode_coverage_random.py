"""The placebo of mode coverage: ways of the same sizes whose members have nothing in common."""

from dataclasses import replace

from forage.core.mode_keys import DealtWays
from forage.methods.catalogue import variant
from forage.methods.exploration.mode_coverage import mode_coverage
from forage.methods.exploration.mode_replay import vary_modes
from forage.parts.memory.prefix_guided import PrefixGuided
from forage.parts.memory.verified_modes import VerifiedModes
from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.training.recipe import Recipe


@variant(mode_coverage, kind="control", seam="Reward, Memory, Loss", paper="control of this project's mode_coverage")
def mode_coverage_random(recipe: Recipe) -> Recipe:
    """The ways are dealt anew among the right siblings, for the division, the exemplars and the restarts alike."""
    *before, reward = recipe.rewards
    assert isinstance(reward, ModeDiversity)
    assert isinstance(recipe.memory, VerifiedModes)
    assert isinstance(recipe.memory.inner, PrefixGuided)
    dealt = DealtWays(of=reward.key, task=reward.task)
    inner = replace(recipe.memory.inner, ways=dealt)
    recipe = replace(recipe, rewards=(*before, replace(reward, key=dealt, task=None)))
    return vary_modes(recipe, inner=inner, key=dealt, task=None)
