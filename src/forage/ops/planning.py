"""Extra credit for planning tokens (HICRA, Wang et al., arXiv 2509.03646)."""

from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked


def check_planning_alpha(alpha: float, *, least: float = -1) -> None:
    """Raises ForageError unless `least` <= alpha < 1, and alpha > -1: nothing else keeps every sign."""
    if not (-1 < alpha < 1 and alpha >= least):
        low = "0 and below 1" if least == 0 else "-1 and 1"
        raise ForageError(f"alpha must lie between {low}, so that no advantage changes its sign, not {alpha}.")


def planning_credit(advantage: Tensor, planning: Tensor, *, alpha: float) -> Tensor:
    """A + alpha * |A| on planning tokens, A elsewhere: more credit in winning traces, less blame in losing ones.

    Section 3 of arXiv 2509.03646. `advantage` float and `planning` (bool, or numbers that are 0 or not) have one shape;
    the result is a new tensor. |alpha| < 1 keeps every sign; the paper uses 0.2, and a negative alpha is the inverse
    control. Raises ForageError for |alpha| >= 1, ValueError where the shapes differ.
    """
    check_planning_alpha(alpha)
    return advantage + alpha * masked(advantage.abs(), planning.bool())
