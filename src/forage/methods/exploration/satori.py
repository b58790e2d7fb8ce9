"""Restart and explore, from Satori (Shen et al., arXiv 2502.02508)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.parts.memory.cut_back import CutBack
from forage.parts.rewards.restart_bonus import RestartBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Reward", paper="arXiv 2502.02508", needs="step ends")
def satori(
    recipe: Recipe, *, beta: float = 0.5, share: float = 0.5, drop: int = 3, reflect: str = "wait", room: int = 16
) -> Recipe:
    """Responses, right and wrong, are cut back and continued after a reflection; turning a wrong one right pays more.

    The paper's learned reward model and its PPO critic are left out. Siblings share their start, so an algorithm that
    divides by a group's standard deviation (grpo) takes the bonus out again: put it on dr_grpo, rloo or reinforce.
    """
    memory = CutBack(reflect=reflect, limit=recipe.sampling.max_tokens, share=share, drop=drop, room=room)
    return replace(with_replay(recipe, memory), rewards=(*recipe.rewards, RestartBonus(beta=beta)))
