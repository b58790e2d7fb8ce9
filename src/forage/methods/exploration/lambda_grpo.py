"""lambda-GRPO: what siblings share counts once (arXiv 2509.21154)."""

from forage.methods.catalogue import method
from forage.methods.parts import add_shape, add_signal
from forage.parts.credit.shape.shared_once import SharedOnce
from forage.parts.signals.shared_prefix import SharedPrefix
from forage.training.recipe import Recipe


@method(kind="exploration", seam="Shape", paper="arXiv 2509.21154")
def lambda_grpo(recipe: Recipe, *, power: float = 1.0) -> Recipe:
    """Divides each token's loss by the number of siblings that share it and all before it.

    Siblings share their first tokens by chance, or by design where responses are forked (`entropy_forks`).
    """
    return add_shape(add_signal(recipe, SharedPrefix()), SharedOnce(power=power))
