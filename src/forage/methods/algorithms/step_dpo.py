"""Direct preference optimization of steps, from a tree of responses (after MCTS-DPO, Xie et al., arXiv 2405.00451)."""

from dataclasses import replace

from forage.core.protocols import Explore
from forage.methods.catalogue import method
from forage.parts.credit.assign.step_preference import StepPreference
from forage.parts.credit.pipeline import Credit
from forage.parts.explore.step_tree import StepTree
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength
from forage.parts.losses.surrogate import Reinforce
from forage.parts.signals.step_pairs import PairSmoothing, StepPairs
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Assign", paper="arXiv 2405.00451", needs="the first policy, step ends")
def step_dpo(
    recipe: Recipe, *, beta: float = 0.1, gap: float = 0.0, roots: float = 0.5, exploration: float = 1.0
) -> Recipe:
    """Learns to prefer the best next step to the worst one at every branching of a tree of responses.

    Preferences are smoothed by how often the search visited the two steps. One update per batch, so that the sampler's
    log-probabilities are the policy's own and the gradient is that of the loss. With `process_reward` the process model
    takes part in the values. `correct` in the metrics is of the search, which returns to promising states.
    """
    return with_step_preferences(recipe, StepTree(roots=roots, exploration=exploration), StepPairs(gap=gap), beta=beta)


def with_step_preferences(recipe: Recipe, explore: Explore, pairs: StepPairs, *, beta: float) -> Recipe:
    """The recipe that learns by direct preference optimization from pairs of steps, in one update per batch."""
    return replace(
        recipe,
        explore=explore,
        signals=(*recipe.signals, pairs, PairSmoothing(gap=pairs.gap, search=pairs.search)),
        credit=Credit(assign=StepPreference(beta=beta)),
        policy_loss=PolicyLoss(surrogate=Reinforce(), reduction=FixedLength(length=1)),
        optimization=replace(recipe.optimization, epochs=1, mini_batches=1),
    )
