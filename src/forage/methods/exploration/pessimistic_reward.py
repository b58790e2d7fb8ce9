"""A reward from preferences, less how little they say about a response (arXiv 2301.11270)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_preference_reward
from forage.reward_models.preference.embedding_reward import PessimisticReward
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2301.11270", needs="preferences")
def pessimistic_reward(
    recipe: Recipe,
    *,
    preferences: str = "",
    encoder: str = "",
    radius: float = 0.1,
    ridge: float = 0.01,
    weight: float = 1.0,
    outcome: float = 0.0,
) -> Recipe:
    """A linear reward on text vectors less `radius` times its uncertainty, in the verifier's place or beside it.

    It is fitted to the file `preferences` when the run begins, in seconds. Responses unlike all that were compared are
    worth less, so that a policy has less to win from them. `radius=0` is the reward without pessimism.
    """
    reward = PessimisticReward(
        preferences=preferences, encoder=encoder, radius=radius, ridge=ridge, weight=weight, outcome=outcome
    )
    return add_preference_reward(recipe, reward, "pessimistic_reward")
