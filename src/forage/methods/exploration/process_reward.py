"""A process reward model as the reward of a whole response (ER-PRM, arXiv 2412.11006)."""

from forage.engines.local.process_reward import ProcessReward
from forage.methods.catalogue import method
from forage.methods.parts import add_process_reward
from forage.ops.step_scores import Aggregator
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Reward", paper="arXiv 2412.11006", needs="step ends, a process model")
def process_reward(
    recipe: Recipe,
    *,
    model: str = "",
    aggregate: Aggregator = "min",
    weight: float = 1.0,
    outcome: float = 0.0,
    device: str = "cpu",
) -> Recipe:
    """The aggregated step score of a process model in the place of the verifier's reward, or (outcome=1) beside it.

    Watch `reward` against `correct` in the metrics: a policy that exploits the model raises the first alone.
    `device` is where the process model computes.
    """
    reward = ProcessReward(
        model=model, aggregate=aggregate, weight=weight, outcome=outcome, device=device, task=recipe.task
    )
    return add_process_reward(recipe, reward, "process_reward")
