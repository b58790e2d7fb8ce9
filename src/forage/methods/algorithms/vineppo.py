"""VinePPO: Monte-Carlo values of the steps instead of a critic (Kazemnejad et al., arXiv 2410.01679)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.exploration.rrl import monte_carlo
from forage.parts.credit.assign.value_differences import ValueDifferences
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.parts.signals.step_values import StepValues
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Assign", paper="arXiv 2410.01679", needs="step ends")
def vineppo(
    recipe: Recipe, *, continuations: int = 9, max_steps: int = 20, clip: float = 0.2, equal: str = "tokens"
) -> Recipe:
    """Each step is credited with the change in value it made, as `continuations` fresh samples from it say.

    The tokens of those samples count as sampled; with `equal=state` what the task calls one state is valued once.
    Advantages keep the scale of the return: the paper whitens them over the batch, which would give responses without
    any credit some. Add `kl_penalty` for its KL term (1e-4).
    """
    values = StepValues(
        method=monte_carlo(recipe, continuations, equal),
        task=recipe.task,
        params=recipe.sampling,
        max_steps=max_steps,
    )
    others = tuple(signal for signal in recipe.signals if signal.name != values.name)
    loss = PolicyLoss(surrogate=PPOClip(low=clip, high=clip), reduction=TokenMean())
    return replace(recipe, credit=Credit(assign=ValueDifferences()), policy_loss=loss, signals=(*others, values))
