"""How a critic learns: its loss, its optimizer, and how long it learns alone."""

from dataclasses import dataclass, field

from forage.core.errors import ForageError
from forage.engines.optimization import Optimization
from forage.parts.losses.value_loss import ValueLoss


@dataclass(frozen=True, kw_only=True)
class CriticTraining:
    """A critic beside the policy: a model of its own, begun as a copy of the policy's with a new scalar head.

    In the first `warmup` steps of a run only the critic learns: the policy that it judges stands still.
    """

    loss: ValueLoss = field(default_factory=ValueLoss)
    optimization: Optimization = field(default_factory=lambda: Optimization(lr=4e-4))
    warmup: int = 10

    needs = frozenset({"value"})
    """The signals without which it cannot be trained: it learns from what it said before."""

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ForageError(f"The critic's warm-up is a number of steps, 0 or more, not {self.warmup}.")
