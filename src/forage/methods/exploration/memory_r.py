"""A reward for being like past successes and unlike past failures (Memory-R+, arXiv 2504.02273)."""

from forage.methods.catalogue import method
from forage.methods.exploration.rrl import with_replay
from forage.parts.memory.past_responses import PastResponses
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Memory, Reward", paper="arXiv 2504.02273")
def memory_r(
    recipe: Recipe,
    *,
    exploit: float = 1.0,
    explore: float = 1.0,
    neighbors: int = 1,
    slots: int = 100,
    questions: int = 0,
    window: int = 100,
    warmup: int = 50,
    encoder: str = "",
) -> Recipe:
    """Adds to the reward how like a response is to right ones kept of similar questions, and how unlike to wrong ones.

    Both parts lie in 0 to 1, times `exploit` and `explore`; unlikeness counts after `warmup` steps. Siblings differ by
    it where all are wrong too, so such groups teach. `encoder` is minilm, the name or folder of a sentence encoder, or
    nothing for hashed words and their trigrams. With the published weights a wrong response can be worth more than a
    right one: lower them where that harms.
    """
    memory = PastResponses(
        exploit=exploit,
        explore=explore,
        neighbors=neighbors,
        slots=slots,
        questions=questions,
        window=window,
        warmup=warmup,
        encoder=encoder,
    )
    return with_replay(recipe, memory)
