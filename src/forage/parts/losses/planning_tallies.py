"""What planning and execution tokens did in an update, where the recipe knows which is which."""

from torch import Tensor

from forage.core.protocols import Tallies
from forage.ops.masked import masked_sum


def planning_tallies(planning: Tensor, advantage: Tensor, entropy: Tensor, measured: Tensor) -> Tallies:
    """Sums and counts over the measured tokens; all tensors (B, T), `planning` 0 or 1, `measured` bool.

    planning_share_update: of the tokens; entropy_planning_update and entropy_execution_update: nats;
    advantage_planning and advantage_execution: mean |A| after all shapes. What the sampler saw has the plain names
    (`PlanningMask.metrics`): it knows the groups without any advantage too, which need no forward pass.
    """
    plans = measured & planning.bool()
    executes = measured & ~planning.bool()
    tallies: Tallies = {"planning_share_update": (plans.sum(), measured.sum())}
    for name, side in (("planning", plans), ("execution", executes)):
        tallies |= {
            f"entropy_{name}_update": (masked_sum(entropy, side), side.sum()),
            f"advantage_{name}": (masked_sum(advantage.abs(), side), side.sum()),
        }
    return tallies
