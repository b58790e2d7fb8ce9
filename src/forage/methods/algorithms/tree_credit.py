"""TreeRL: chains forked at surprising tokens, and credit along the tree (arXiv 2506.11902)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.methods.parts import with_explore
from forage.parts.credit.assign.tree_credit import TreeCredit
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.pipeline import Credit
from forage.parts.explore.surprise_forks import SurpriseForks
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Explore, Assign", paper="arXiv 2506.11902")
def tree_credit(recipe: Recipe, *, forks: int = 2, branches: int = 2, power: float = 0.5, clip: float = 0.2) -> Recipe:
    """Responses are forked at their least likely tokens; a node gets its value and what that is above its parent's.

    Exactly `group_size` responses, all of which are learned from; the paper keeps 16 of 30. `power` is how much a token
    that n siblings share is divided: n^power.
    """
    changed = with_explore(recipe, SurpriseForks(forks=forks, branches=branches))
    loss = PolicyLoss(surrogate=PPOClip(low=clip, high=clip), reduction=TokenMean())
    credit = Credit(baselines=(LeaveOneOut(),), assign=TreeCredit(power=power))
    return replace(changed, credit=credit, policy_loss=loss)
