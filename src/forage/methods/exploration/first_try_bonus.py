"""A bonus for actions that are new in their episode: "LLMs are Greedy Agents" (Schmied et al., arXiv 2504.16078)."""

from dataclasses import replace

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_reward
from forage.parts.credit.assign.step_returns import StepReturns
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.rewards.first_try import FirstTry
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward, Assign", paper="arXiv 2504.16078", needs="bandit turns")
def first_try_bonus(recipe: Recipe, *, bonus: float = 1.0, discount: float = 0.0) -> Recipe:
    """Pays each action that an episode has not taken before, at its turn, beside what the episode was worth.

    The bonus is added to the advantage, behind the comparison of siblings, in the units that the algorithm gives it.
    discount 1 credits a turn with the first tries behind it too, as the paper's reward-to-go does. An action is new at
    most once, so an episode gets at most one bonus for each. For tasks whose turns take actions, as bandit.
    """
    reward = FirstTry(task=recipe.task, bonus=bonus)
    changed = add_reward(recipe, reward)
    if recipe.credit.assign != Uniform():
        raise ForageError(
            f"first_try_bonus would replace {type(recipe.credit.assign).__name__}, which assigns credit to tokens "
            "already. Use one of the two."
        )
    return replace(changed, credit=replace(changed.credit, assign=StepReturns(discount=discount)))
