"""An ensemble of small reward models on frozen text vectors (arXiv 2502.04357)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_preference_reward
from forage.reward_models.preference.embedding_reward import EmbeddingReward
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2502.04357", needs="preferences")
def embedding_reward(
    recipe: Recipe,
    *,
    preferences: str = "",
    encoder: str = "",
    members: int = 5,
    hidden: int = 32,
    epochs: int = 30,
    weight: float = 1.0,
    outcome: float = 0.0,
) -> Recipe:
    """The mean reward of small networks on text vectors, in the place of the verifier's, or (outcome=1) beside it.

    They are fitted to the file `preferences` when the run begins, in seconds, and need no language model. `encoder` is
    minilm, the name or folder of a sentence encoder, or nothing for hashed words and their trigrams. Put `kl_penalty`
    beside it, and watch `reward` against `correct` in the metrics.
    """
    reward = EmbeddingReward(
        preferences=preferences,
        encoder=encoder,
        members=members,
        hidden=hidden,
        epochs=epochs,
        weight=weight,
        outcome=outcome,
    )
    return add_preference_reward(recipe, reward, "embedding_reward")
