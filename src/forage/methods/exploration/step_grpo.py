"""Key steps and well-formed reasoning as rewards beside the verdict (StepGRPO of R1-VL, arXiv 2503.12937)."""

from pathlib import Path

from forage.core.errors import ForageError
from forage.grams.key_steps import read_key_steps
from forage.methods.catalogue import method
from forage.methods.parts import add_reward
from forage.parts.rewards.step_reward import REFERENCE, StepReward
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2503.12937", needs="a reference response")
def step_grpo(
    recipe: Recipe,
    *,
    key_steps: str = "reference",
    alpha: float = 0.1,
    validity: float = 1.0,
    sections: str = "",
    numbered: bool = True,
    unanswered: bool = False,
) -> Recipe:
    """Pays for the key steps of a solution, and for complete steps in order, right or wrong.

    `key_steps` is a file of JSON lines (id or prompt, key_steps), or "reference": the calculations in the task's own
    right responses. `sections` are marks that a well-formed response has in this order, with + between them; the last
    one begins its answer. With `numbered` its steps are lines `Step 1:` to `Step n:` before that. With alpha + validity
    below 1 no wrong response is worth more than a right one. The vision parts of the paper are left out.
    """
    if key_steps != REFERENCE:
        read_key_steps(Path(key_steps))
    elif recipe.task.reference(recipe.task.problems("train")[0]) is None:
        raise ForageError(
            f"The task {recipe.task.name} knows no right responses whose calculations could be key steps. Give a file "
            "of JSON lines with id (or prompt) and key_steps: step_grpo:key_steps=FILE."
        )
    reward = StepReward(
        task=recipe.task,
        key_steps=key_steps,
        alpha=alpha,
        validity=validity,
        sections=tuple(part for part in sections.split("+") if part),
        numbered=numbered,
        unanswered=unanswered,
    )
    return add_reward(recipe, reward)
