"""A bonus for answers that were given rarely so far (outcome-based exploration, arXiv 2509.06941)."""

from forage.core.errors import ForageError
from forage.core.mode_keys import ModeKey
from forage.core.protocols import Task
from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.methods.parts import add_shape, add_signal, key_task
from forage.ops.visits import VisitRule
from forage.parts.credit.shape.visit_addition import VisitAddition
from forage.parts.memory.answer_counts import AnswerCounts
from forage.parts.signals.visit_bonus import VisitBonus
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Shape", paper="arXiv 2509.06941", needs="answers")
def answer_ucb(
    recipe: Recipe,
    *,
    rule: VisitRule = "con",
    weight: float = 0.2,
    constant: float = 0.5,
    gate: bool = True,
    key: ModeKey = "answer",
) -> Recipe:
    """Adds weight times min(1, N^-1/2) to the advantage, less a constant or the siblings' mean, N past visits.

    N counts how often the problem was given the answer in earlier steps. With `gate` groups in which all are right get
    nothing, so that right answers cannot be balanced: on problems of one right answer the wrong ones become varied.
    """
    if key == "answer" and type(recipe.task).answer is Task.answer:
        raise ForageError(
            f"answer_ucb counts answers, and the task {recipe.task.name} reads none. Count whole texts: "
            "answer_ucb:key=text."
        )
    task = key_task(recipe, key, "answer_ucb")
    signal = VisitBonus(rule=rule, constant=constant, gate=gate, key=key, task=task)
    changed = with_replay(recipe, AnswerCounts(key=key))
    return add_shape(add_signal(changed, signal), VisitAddition(weight=weight))
