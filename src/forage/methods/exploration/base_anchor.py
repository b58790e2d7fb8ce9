"""Holding on to the base's right answers by a forward KL term (DPH-RL, arXiv 2509.07430)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_demonstrations
from forage.parts.losses.demonstrations import BehaviourKL
from forage.parts.memory.base_samples import BaseSamples
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Loss", paper="arXiv 2509.07430")
def base_anchor(
    recipe: Recipe,
    *,
    coefficient: float = 0.01,
    samples: int = 8,
    solved: float = 1.0,
    problems: int = 256,
    shown: int = 2,
) -> Recipe:
    """Samples the base once, and keeps the policy near it on its right answers by coefficient * KL(base || policy).

    In the first step `samples` responses to each of at most `problems` problems are sampled from the policy that
    training begins with; their tokens count. The right ones are kept of problems that it solves in the share `solved`
    (1: always, as published), and `shown` of them a group come back in every step under rho - 1 - log rho, rho = policy
    / base per token, whose gradient is 0 at the base. The responses of training itself carry no such term.
    """
    memory = BaseSamples(inner=recipe.memory, samples=samples, solved=solved, problems=problems, shown=shown)
    return add_demonstrations(recipe, memory, BehaviourKL(coefficient=coefficient))
