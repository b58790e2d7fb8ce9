"""Dense credit from the policy's own probability of the right answer (of BARL, arXiv 2505.20561)."""

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_signal, with_assign
from forage.parts.credit.assign.progress_returns import ProgressReturns
from forage.parts.signals.answer_progress import AnswerProgress
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Signal, Assign", paper="arXiv 2505.20561", needs="step ends, a stated answer")
def progress_reward(
    recipe: Recipe, *, mark: str = "", weight: float = 1.0, discount: float = 0.0, max_steps: int = 20
) -> Recipe:
    """Adds to the advantage of each step what it changed in the probability that the policy gives to the right answer.

    Behind every step the policy is asked for the answer, after `mark` (nothing: the task's own), in one pass without
    gradients. The changes of a response add up to the last probability minus the first; discount 1 credits a step with
    all later ones too. Groups in which all are wrong teach as well.
    """
    signal = AnswerProgress(task=recipe.task, mark=mark, max_steps=max_steps)
    return add_progress(recipe, signal, "progress_reward", weight=weight, discount=discount)


def add_progress(
    recipe: Recipe, signal: AnswerProgress, method: str, *, weight: float, discount: float = 0.0
) -> Recipe:
    """The recipe with this signal, credited to steps. Raises ForageError where its task states no right answer."""
    if recipe.task.stated_answer(recipe.task.problems("train")[0]) is None:
        raise ForageError(
            f"{method} asks how likely the right answer is, and the task {recipe.task.name} states none: it has "
            "several, or one that is not said in words."
        )
    return with_assign(add_signal(recipe, signal), ProgressReturns(discount=discount, weight=weight), method)
