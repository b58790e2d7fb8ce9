"""What an answer is worth for having been given rarely so far (outcome-based exploration, arXiv 2509.06941).

Axes: B responses.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape
from forage.ops.segments import leave_one_out

VisitRule = Literal["mean", "con"]


def visit_bonus(visits: Tensor, group: Tensor, *, rule: VisitRule = "con", constant: float = 0.5) -> Tensor:
    """A bonus for answers that were met rarely in earlier steps, after the bandit rule UCB (arXiv 2509.06941).

        b = min(1, N^(-1/2)) - constant                            "con"
        b = min(1, N^(-1/2)) - mean of the other siblings'         "mean"

    N is how often the problem was given this answer before. It is added to a settled advantage, with a weight.

    Args:
        visits: (B,) float, N, 0 or more; NaN for a response without an answer, which takes no part.
        group: (B,) int64, equal numbers for siblings.
        rule: "con" (an answer above its constant is pushed down) or "mean" (siblings compete).
        constant: of "con", in [0, 1]; 1 only ever pushes down.

    Returns:
        (B,) of the dtype of `visits`, in [-1, 1]; 0 where there is no answer.

    Raises:
        ForageError: an unknown rule or a constant out of its range.
        ValueError: the shapes differ.

    Example:
        >>> visits = torch.tensor([1.0, 4.0, 100.0])
        >>> visit_bonus(visits, torch.zeros(3, dtype=torch.int64))
        tensor([ 0.5000,  0.0000, -0.4000])
        >>> visit_bonus(visits, torch.zeros(3, dtype=torch.int64), rule="mean")
        tensor([ 0.7000, -0.0500, -0.6500])
    """
    check_visit_rule(rule, constant)
    require_shape(tuple(visits.shape), group=group)
    rare = visits.double().clamp_min(1).rsqrt()  # NaN stays NaN
    bonus = rare - constant if rule == "con" else leave_one_out(rare, group)
    return torch.nan_to_num(bonus, nan=0.0).to(visits.dtype)


def check_visit_rule(rule: str, constant: float) -> None:
    """Raises ForageError unless the settings of `visit_bonus` are in their ranges."""
    if rule not in get_args(VisitRule):
        raise ForageError(f'A bonus for rare answers is less its "mean" or a constant ("con"), not {rule!r}.')
    if not 0 <= constant <= 1:
        raise ForageError(f"The constant of the bonus lies between 0 and 1, not {constant}.")
