"""What mode replay is without learning from what it keeps."""

from dataclasses import replace

from forage.methods.catalogue import variant
from forage.methods.exploration.mode_replay import mode_replay
from forage.parts.losses.demonstrations import Likelihood
from forage.training.recipe import Recipe


@variant(mode_replay, kind="control", seam="Memory, Loss", paper="control of ModeBench 2026", without=("coefficient",))
def mode_replay_unlearned(recipe: Recipe) -> Recipe:
    """The same responses are kept and read at strength 0: the run is the base algorithm's, bit for bit."""
    loss = replace(recipe.policy_loss, demonstration_penalties=(Likelihood(coefficient=0.0),))
    return replace(recipe, policy_loss=loss)
