"""Hard problems begun with a part of a right solution (POPE, PrefixRL, QuestA)."""

from typing import Literal

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.methods.parts import WayKey, key_task, named_ways
from forage.parts.memory.prefix_guided import PrefixGuided
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory", paper="arXiv 2601.18779, 2601.18795, 2507.13266")
def prefix_guided(
    recipe: Recipe,
    *,
    share: float = 0.5,
    longest: float = 0.5,
    levels: int = 4,
    hard: float = 0.0,
    source: Literal["own", "reference", "both"] = "own",
    ways: WayKey | None = None,
) -> Recipe:
    """Problems that the policy fails are begun for it with a short part of a right solution, which is not learned from.

    The solution is the first right response of the policy itself, or (`source=reference`, `both`) the task's own, which
    is privileged information. A part grows where no guided sibling succeeds and shrinks where all do; it never holds
    the answer. `unguided_correct` in the metrics is the success without help. With `ways` (mode, answer, text or grams)
    one solution of each way is kept, and a guided start draws one of them by lot.
    """
    if source in ("reference", "both") and recipe.task.reference(recipe.task.problems("train")[0]) is None:
        raise ForageError(
            f"source={source} needs a task that knows right responses; {recipe.task.name} knows none. Use source=own."
        )
    names = None if ways is None else named_ways(ways)
    if names is not None:
        key_task(recipe, names, "prefix_guided", setting="ways")
    memory = PrefixGuided(
        limit=recipe.sampling.max_tokens,
        share=share,
        longest=longest,
        levels=levels,
        hard=hard,
        source=source,
        ways=names,
    )
    return with_replay(recipe, memory)
