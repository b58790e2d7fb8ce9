"""Zeroth-order policy gradient from preferences: ZPG and ZBCPG (arXiv 2409.17401)."""

from dataclasses import replace

from forage.engines.perturbation import Perturbation
from forage.methods.catalogue import method
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.policy_loss import PolicyLoss
from forage.training.recipe import Recipe


@method(kind="algorithm", seam="Explore, Loss", paper="arXiv 2409.17401")
def zpg(recipe: Recipe, *, radius: float = 10.0, blocks: int = 1, floor: float = 0.05, lr: float = 5e-5) -> Recipe:
    """Compares the policy with a perturbed one, response by response, and moves along the difference: no gradients.

    Half of each group is sampled with the weights moved by `radius` in a random direction; the share of pairs in which
    that half is better, held within `floor`, says how far to go. With several `blocks` one of them moves (ZBCPG).
    For adapters and tiny models: one direction of many is tried in a step. `lr` multiplies an estimate as large as the
    number of weights over the radius, so it is far below that of other algorithms.
    """
    perturbation = Perturbation(radius=radius, blocks=blocks, floor=floor, seed=recipe.seed)
    optimization = replace(recipe.optimization, perturbation=perturbation, mini_batches=1, lr=lr)
    return replace(recipe, credit=Credit(), policy_loss=PolicyLoss(), critic=None, optimization=optimization)
