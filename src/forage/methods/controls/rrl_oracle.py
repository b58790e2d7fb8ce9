"""Retrospective replay by perfect knowledge of the states, which costs nothing."""

from forage.core.errors import ForageError
from forage.methods.catalogue import variant
from forage.methods.exploration.rrl import rrl, vary_replay
from forage.parts.values import TaskOracle
from forage.training.recipe import Recipe


@variant(
    rrl,
    kind="control",
    seam="Memory",
    paper="control for arXiv 2504.14363",
    without=("continuations", "value", "equal"),
    needs="step ends, an oracle",
)
def rrl_oracle(recipe: Recipe) -> Recipe:
    """Retrospective replay with values that the task itself knows (countdown does), which cost nothing."""
    problem = recipe.task.problems("train")[0]
    if recipe.task.oracle(problem, "") is None:
        raise ForageError(
            f"rrl_oracle needs a task that knows what a partial response is worth; {recipe.task.name} does not."
        )
    return vary_replay(recipe, values=TaskOracle())
