"""A reward from pairs of siblings that a judge compares (LLM4PG, arXiv 2406.19644)."""

from forage.core.errors import ForageError
from forage.methods.catalogue import method
from forage.methods.parts import add_model_reward
from forage.reward_models.preference.judge_reward import JudgeReward
from forage.reward_models.preference.judges import judge_of
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2406.19644", needs="a judge")
def judge_reward(
    recipe: Recipe,
    *,
    judge: str = "verifier",
    prompt: str = "",
    opponents: int = 0,
    prior: float = 1.0,
    weight: float = 1.0,
    outcome: float = 0.0,
    device: str = "cpu",
) -> Recipe:
    """The Bradley-Terry strengths of siblings by a judge's labels, in the verdict's place, or (outcome=1) beside it.

    `judge` is verifier (right beats wrong), python:MODULE:FUNCTION, a function of the problem and two texts, or a
    language model, asked in both orders. Watch `reward` against `correct` in the metrics: what a judge likes need not
    be right.
    """
    reward = JudgeReward(
        judge=judge_of(judge, prompt=prompt, device=device),
        opponents=opponents,
        prior=prior,
        weight=weight,
        outcome=outcome,
    )
    if any(isinstance(present, JudgeReward) for present in recipe.rewards):
        raise ForageError("The recipe has a judge already; a second one would hide what either does.")
    return add_model_reward(recipe, reward)
