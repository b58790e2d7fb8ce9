"""Training problems by how many responses it took until one was right (R1-Searcher, arXiv 2503.05592)."""

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.parts.memory.difficulty_buckets import DifficultyBuckets, digest_of
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory", paper="arXiv 2503.05592", needs="measured difficulties")
def difficulty_buckets(
    recipe: Recipe, *, file: str = "", buckets: str = "easy+medium", medium: int = 10, hard: int = 20
) -> Recipe:
    """Draws only training problems of the named buckets: a stage of a curriculum.

    `file` is what `forage difficulty` wrote for this task. A problem is easy where the first right response came before
    try `medium`, hard where it came after try `hard`, medium between, and unsolved where none was right. `buckets` are
    some of these with + between them.
    """
    if not file:
        raise ForageError(
            "difficulty_buckets needs the file of forage difficulty MODEL --out FILE: difficulty_buckets:file=FILE."
        )
    names = tuple(name for name in buckets.split("+") if name)
    memory = DifficultyBuckets(file=file, buckets=names, medium=medium, hard=hard, digest=digest_of(file))
    return with_replay(recipe, memory)
