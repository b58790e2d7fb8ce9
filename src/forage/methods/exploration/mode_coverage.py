"""Mode coverage: ways without a key, reward divided among them, and each met again (this project's own)."""

from forage.core.errors import ForageError
from forage.grams.ways import GramClusters
from forage.methods.catalogue import method
from forage.methods.exploration.mode_diversity import mode_diversity
from forage.methods.exploration.mode_replay import mode_replay
from forage.methods.exploration.prefix_guided import prefix_guided
from forage.methods.parts import WayKey, key_task, named_ways
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward, Memory, Loss", paper="this project; arXiv 2601.21669, 2601.18779, ModeBench")
def mode_coverage(
    recipe: Recipe,
    *,
    ways: WayKey = "grams",
    words: int = 2,
    alike: float = 0.5,
    alpha: float = 1.0,
    coefficient: float = 5.0,
    slots: int = 16,
    share: float = 0.125,
) -> Recipe:
    """Distinguishes ways of right responses by shared word grams, divides reward among them, and meets each again.

    Composes `mode_diversity:rule=ips` of power `alpha`, `mode_replay:shares=tokens` of strength `coefficient` with at
    most `slots` exemplars of a problem, and `prefix_guided`: `share` of a step's groups begin as a kept response of a
    way does. All are keyed by `ways`: "grams" (`GramClusters` of `words` in a row, linked where they are `alike`), the
    task's own ("mode"), "answer" or "text". With "grams" it needs nothing of the task but verdicts.
    """
    grams = GramClusters(words=words, alike=alike)
    if ways != "grams" and grams != GramClusters():
        raise ForageError(f"words and alike are settings of ways=grams, and the ways here are {ways!r}: drop them.")
    key = grams if ways == "grams" else named_ways(ways)
    key_task(recipe, key, "mode_coverage", setting="ways")
    recipe = mode_diversity.function(recipe, rule="ips", alpha=alpha, key=key)
    recipe = prefix_guided.function(recipe, share=share, hard=1.0, ways=key)
    return mode_replay.function(recipe, coefficient=coefficient, slots=slots, shares="tokens", key=key)
