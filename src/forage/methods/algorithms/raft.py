"""RAFT, rejection-sampling fine-tuning (Dong et al., arXiv 2304.06767; with a process model in arXiv 2412.11006)."""

from dataclasses import replace

from forage.methods.catalogue import method
from forage.parts.credit.baseline.best_of_group import BestOfGroup
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import SequenceMean
from forage.parts.losses.surrogate import Reinforce
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Baseline", paper="arXiv 2304.06767")
def raft(recipe: Recipe) -> Recipe:
    """Learns from the best sibling only, by its likelihood; with `process_reward` the process model chooses it.

    Published for few rounds of many prompts; here every step is a round. Groups without a difference teach nothing.
    """
    loss = PolicyLoss(surrogate=Reinforce(), reduction=SequenceMean())
    return replace(recipe, credit=Credit(baselines=(BestOfGroup(),)), policy_loss=loss)
