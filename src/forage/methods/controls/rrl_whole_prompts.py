"""What retrospective replay would be without restarts: its problems again, from the beginning."""

from forage.methods.catalogue import variant
from forage.methods.exploration.rrl import rrl, vary_replay
from forage.training.recipe import Recipe


@variant(rrl, kind="control", seam="Memory", paper="control for arXiv 2504.14363")
def rrl_whole_prompts(recipe: Recipe) -> Recipe:
    """The problems that retrospective replay would restart, drawn again from the beginning, for the same tokens."""
    return vary_replay(recipe, cut="beginning")
