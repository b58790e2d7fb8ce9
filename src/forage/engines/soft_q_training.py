"""How the values of tokens are learned beside a policy (ETPO, arXiv 2402.06700)."""

from dataclasses import dataclass, field

from forage.core.errors import ForageError
from forage.engines.optimization import Optimization
from forage.ops.soft_q import SoftQRule, check_soft_q


@dataclass(frozen=True, kw_only=True)
class SoftQTraining:
    """A critic of the width of the vocabulary: Q of every token, and what the policy makes of it.

    The critic is a model of its own, begun as a copy of the policy's with a new head, and a target network follows it:
    after every batch it keeps the share `polyak` of itself. `beta`, `gamma` and `rule`: see `forage.ops.soft_q`. In the
    first `warmup` steps of a run only the critic learns. With `permuted` it learns from rewards that are dealt anew
    among siblings: the control. Raises ForageError for settings out of range.
    """

    beta: float = 0.1
    gamma: float = 0.99
    rule: SoftQRule = "published"
    polyak: float = 0.9
    optimization: Optimization = field(default_factory=lambda: Optimization(lr=4e-4))
    warmup: int = 10
    permuted: bool = False

    needs = frozenset({"reference"})
    """The signals without which it cannot be trained."""

    def __post_init__(self) -> None:
        check_soft_q(self.beta, self.gamma, self.rule)
        if not 0 <= self.polyak < 1:
            raise ForageError(f"The target network keeps a share of itself, 0 or more and below 1, not {self.polyak}.")
        if self.warmup < 0:
            raise ForageError(f"The critic's warm-up is a number of steps, 0 or more, not {self.warmup}.")
