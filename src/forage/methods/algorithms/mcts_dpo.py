"""MCTS-DPO: tree search on the current policy, direct preference optimization on its steps (arXiv 2405.00451)."""

from forage.core.errors import ForageError
from forage.methods.algorithms.step_dpo import with_step_preferences
from forage.methods.catalogue import method
from forage.parts.explore.step_search import StepSearch
from forage.parts.signals.step_pairs import StepPairs
from forage.parts.values.step_search import TreeSearch
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Explore, Assign", paper="arXiv 2405.00451", needs="the first policy, step ends")
def mcts_dpo(
    recipe: Recipe,
    *,
    beta: float = 0.1,
    actions: int = 2,
    depth: int = 3,
    iterations: int = 64,
    exploration: float = 1.0,
    discount: float = 1.0,
    self_evaluation: float = 0.0,
    gap: float = 0.0,
) -> Recipe:
    """Searches a tree of steps with the current policy, learns the best next step over the worst one, and repeats.

    A search samples at most `group_size` responses and goes on visiting what it knows up to `iterations` visits, which
    say how far a preference is trusted. It goes by the verifier alone, or with the policy's confidence in its steps
    beside it (`self_evaluation`); other rewards take no part. `correct` in the metrics is of the search.
    """
    search = TreeSearch(
        actions=actions,
        depth=depth,
        iterations=iterations,
        exploration=exploration,
        discount=discount,
        self_evaluation=self_evaluation,
    )
    if recipe.grouping.group_size < actions:
        raise ForageError(
            f"mcts_dpo tries {actions} next steps at a time, and a group has {recipe.grouping.group_size} responses: "
            "raise `group_size`."
        )
    return with_step_preferences(recipe, StepSearch(search=search), StepPairs(gap=gap, search=search), beta=beta)
