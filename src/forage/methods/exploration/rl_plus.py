"""Right responses that somebody else wrote, beside the policy's own (RL-PLUS, arXiv 2508.00222)."""

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_demonstrations
from forage.parts.losses.demonstrations import SurrogateRatio
from forage.parts.memory.references import References
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Loss", paper="arXiv 2508.00222", needs="a reference response")
def rl_plus(recipe: Recipe, *, gamma: float = 0.5, uniform: float = 1.0, coefficient: float = 1.0) -> Recipe:
    """Learns from the task's own right response too, as from a sibling that the policy did not sample.

    Its advantage is 1 less the mean of its siblings' verdicts, times (1 - pi)^gamma on each token, under the ratio
    4 pi / (3 pi_old + uniform): `uniform` 1 is the released code, 1 over the size of the vocabulary the paper. Sampled
    siblings keep their own mean, and where all are right nothing is shown. The task must know right responses.
    """
    if recipe.task.reference(recipe.task.problems("train")[0]) is None:
        raise ForageError(
            f"rl_plus learns from right responses that somebody wrote, and the task {recipe.task.name} knows none. "
            "`success_replay` learns from the policy's own."
        )
    memory = References(inner=recipe.memory)
    return add_demonstrations(recipe, memory, SurrogateRatio(coefficient=coefficient, gamma=gamma, uniform=uniform))
