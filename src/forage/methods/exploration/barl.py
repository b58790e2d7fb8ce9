"""Credit under a posterior over candidate answers: BARL (arXiv 2505.20561)."""

from forage.methods.catalogue import method
from forage.methods.exploration.progress_reward import add_progress
from forage.parts.signals.answer_progress import AnswerPosterior
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Signal, Assign", paper="arXiv 2505.20561", needs="step ends, a stated answer")
def barl(
    recipe: Recipe,
    *,
    candidates: int = 5,
    beta: float = 1.0,
    discount: float = 1.0,
    weight: float = 1.0,
    mark: str = "",
    max_steps: int = 20,
) -> Recipe:
    """Adds to the advantage of each step what it did for the answers that were plausible before it.

    Candidates are the right answer and the siblings' most frequent ones. Each counts by the chance that the policy
    gives it before the step, less the more its progress so far differs (`beta`) from that of the right answer, which
    is what is observed. `progress_reward` is the same machinery with the right answer alone, and without the weights.
    """
    signal = AnswerPosterior(
        task=recipe.task, mark=mark, max_steps=max_steps, candidates=candidates, beta=beta, discount=discount
    )
    return add_progress(recipe, signal, "barl", weight=weight)
