"""Dense credit from a process reward model: what each step changed (potential differences, arXiv 2412.11006)."""

from forage.engines.local.process_reward import ProcessReward
from forage.methods.catalogue import method
from forage.methods.parts import add_process_reward, with_assign
from forage.parts.credit.assign.step_returns import StepReturns
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Assign", paper="arXiv 2412.11006", needs="step ends, a process model")
def process_advantage(
    recipe: Recipe,
    *,
    model: str = "",
    weight: float = 1.0,
    discount: float = 0.0,
    outcome: float = 1.0,
    device: str = "cpu",
) -> Recipe:
    """Adds to the verified advantage what each step changed in the process model's eyes: v_l - v_(l-1).

    The differences add up to the last value minus the first, so padding with steps earns nothing. discount 1 credits
    a step with all later differences too; with outcome 0 nothing but the differences counts. `device` is where the
    process model computes.
    """
    reward = ProcessReward(model=model, weight=weight, outcome=outcome, dense=True, device=device, task=recipe.task)
    changed = add_process_reward(recipe, reward, "process_advantage")
    return with_assign(changed, StepReturns(discount=discount), "process_advantage")
