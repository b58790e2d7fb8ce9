"""How weights are moved without gradients: by comparing the policy with a perturbed one (ZPG, arXiv 2409.17401)."""

from dataclasses import dataclass

from forage.core.errors import ForageError
from forage.ops.zeroth_order import check_floor, check_radius


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """The size of the perturbation, how far a share of wins may go, and the blocks of which one moves in a step.

    `seed` decides the directions. With `random` the sign of the comparison is drawn: the control. Raises ForageError
    for settings out of range.
    """

    radius: float = 10.0
    floor: float = 0.05
    blocks: int = 1
    random: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_radius(self.radius)
        check_floor(self.floor)
        if self.blocks < 1:
            raise ForageError(f"Weights are cut into at least 1 block, not {self.blocks}.")
