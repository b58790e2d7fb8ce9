"""Rewards divided by how usual a way of being right is among the siblings, before their mean is taken."""

from forage.methods.catalogue import method
from forage.methods.parts import WayKey, add_reward, key_task, named_ways
from forage.ops.mode_rewards import ModeRule
from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.training.recipe import Recipe


@method(
    kind="exploration", seam="Reward", paper="arXiv 2601.21669, 2509.02534, 2509.06941; EMNLP 2025 1649", needs="modes"
)
def mode_diversity(
    recipe: Recipe,
    *,
    rule: ModeRule = "ips",
    alpha: float = 1.0,
    strength: float = 0.5,
    modes: int = 0,
    key: WayKey = "mode",
) -> Recipe:
    """Weighs right responses by their mode under a rule: ips, darling, darling_right, gapo or repetition.

    `alpha` is the power of "ips", `strength` that of "repetition", and `modes` how many valid modes a problem has,
    which "gapo" needs. `key` names the modes: the task's, "answer", "text" or "grams" (clusters of like texts).
    """
    names = named_ways(key)
    task = key_task(recipe, names, "mode_diversity")
    reward = ModeDiversity(rule=rule, alpha=alpha, strength=strength, modes=modes, key=names, task=task)
    return add_reward(recipe, reward)
