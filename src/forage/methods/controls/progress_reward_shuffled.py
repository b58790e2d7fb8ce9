"""The placebo of progress: the same rewards, on other steps of the response."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.progress_reward import progress_reward
from forage.parts.signals.answer_progress import AnswerProgress
from forage.training.recipe import Recipe


@variant(progress_reward, kind="control", seam="Signal, Assign", paper="control of arXiv 2505.20561")
def progress_reward_shuffled(recipe: Recipe) -> Recipe:
    """The rewards of a response are dealt anew among its steps."""
    return with_permuted_progress(recipe)


def with_permuted_progress(recipe: Recipe) -> Recipe:
    """The recipe with what its steps are credited with dealt anew among them."""
    signals = tuple(
        replace(signal, permuted=True) if isinstance(signal, AnswerProgress) else signal for signal in recipe.signals
    )
    return replace(recipe, signals=signals)
