"""Where a search over reasoning steps continues: the choice of the next node."""

import math
from collections.abc import Sequence

from forage.core.errors import ForageError


def puct(value: float, prior: float, visits: int, parent_visits: int, *, exploration: float = 1.0) -> float:
    """How attractive a step of a search tree is: what it has earned, and how little it was tried (arXiv 2405.00451).

        Q + exploration p sqrt(N_parent) / (1 + N)

    Args:
        value: Q, the mean outcome of the visits.
        prior: p, see `step_prior`.
        visits: N, of the step.
        parent_visits: N_parent, of the state before it.
        exploration: the weight of the second term.

    Returns:
        A float; the search continues with the largest.

    Raises:
        ForageError: a negative count.

    Example:
        >>> puct(0.5, 0.25, 1, 4, exploration=1.0)
        0.75
    """
    if visits < 0 or parent_visits < 0:
        raise ForageError(f"Visits are counts, so 0 or more, not {visits} and {parent_visits}.")
    return value + exploration * math.sqrt(parent_visits) * prior / (1 + visits)


def step_prior(logprobs: Sequence[float]) -> float:
    """How likely the policy found a step, with a penalty for its length (MCTS-DPO, arXiv 2405.00451).

        exp(sum of log pi / n^1.25), n the tokens of the step

    Args:
        logprobs: log pi of the tokens of the step.

    Returns:
        A float in (0, 1] for log-probabilities of 0 or less.

    Raises:
        ForageError: a step without tokens.

    Example:
        >>> step_prior([0.0, 0.0]), round(step_prior([-1.0]), 4)
        (1.0, 0.3679)
    """
    if not logprobs:
        raise ForageError("A step has at least one token; its prior is taken from their log-probabilities.")
    return math.exp(math.fsum(logprobs) / len(logprobs) ** 1.25)
