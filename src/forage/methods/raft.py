"""RAFT, rejection-sampling fine-tuning (Dong et al., arXiv 2304.06767; with a process model in arXiv 2412.11006)."""

from dataclasses import replace

from forage.credit.baseline.best_of_group import BestOfGroup
from forage.credit.pipeline import Credit
from forage.losses.policy_loss import PolicyLoss
from forage.losses.reduction import SequenceMean
from forage.losses.surrogate import Reinforce
from forage.methods.catalogue import method
from forage.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2304.06767")
def raft(recipe: Recipe) -> Recipe:
    """Learns from the best sibling only, by its likelihood; with `process_reward` the process model chooses it.

    Published for few rounds of many prompts; here every step is a round. Groups without a difference teach nothing.
    """
    loss = PolicyLoss(surrogate=Reinforce(), reduction=SequenceMean())
    return replace(recipe, credit=Credit(baselines=(BestOfGroup(),)), policy_loss=loss)
