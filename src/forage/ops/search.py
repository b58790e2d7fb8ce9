"""Where a search over reasoning steps continues, and what it makes of the outcomes: choice and backup."""

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


def uct(value: float, visits: int, parent_visits: int, *, exploration: float = 1.0) -> float:
    """How attractive a step of a search tree is where no policy has a say in it (UCT, Kocsis and Szepesvári, 2006).

        Q + exploration sqrt(ln N_parent / N)        infinite for N = 0

    Args:
        value: Q, the mean reward of the visits.
        visits: N, of the step.
        parent_visits: N_parent, of the state before it, 1 or more.
        exploration: the weight of the second term; it is in units of the reward.

    Returns:
        A float; the search continues with the largest.

    Raises:
        ForageError: a negative count, or a state before the step that was never visited.

    Example:
        >>> round(uct(2.0, 4, 16, exploration=1.0), 4), uct(2.0, 1, 1), uct(0.0, 0, 16)
        (2.8326, 2.0, inf)
    """
    if visits < 0 or parent_visits < 1:
        raise ForageError(
            f"Visits are counts, 0 or more of a step and 1 or more before it, not {visits} and {parent_visits}."
        )
    return value + exploration * math.sqrt(math.log(parent_visits) / visits) if visits else math.inf


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


def self_evaluated(outcome: float, confidence: float, *, weight: float = 0.5) -> float:
    """What a step is worth at first sight: the verdict beside the policy's own confidence (after arXiv 2405.00451).

        (1 - weight) outcome + weight confidence

    Args:
        outcome: what the verifier said of a response through the step.
        confidence: how sure the policy is of the step, in [0, 1]; NaN, where it cannot tell, leaves the outcome.
        weight: of the confidence, in [0, 1].

    Returns:
        A float between the two.

    Raises:
        ForageError: a weight outside [0, 1].

    Example:
        >>> self_evaluated(1.0, 0.5, weight=0.25), self_evaluated(1.0, float("nan"))
        (0.875, 1.0)
    """
    if not 0 <= weight <= 1:
        raise ForageError(f"The weight of the self-evaluation must lie in 0 ... 1, not {weight}.")
    return outcome if math.isnan(confidence) else (1 - weight) * outcome + weight * confidence


def step_quality(value: float, parent_value: float, state_value: float, *, discount: float = 1.0) -> float:
    """Q of a step in a tree search: what it gained, and what is expected behind it (MCTS-DPO, arXiv 2405.00451).

        Q = r + discount V,  r = value - value of the parent

    Args:
        value: of the state behind the step at first sight, see `self_evaluated`.
        parent_value: of the state before it.
        state_value: V of the state behind the step, see `backed_up_value`; 0 where nothing was tried behind it.
        discount: gamma.

    Returns:
        A float.

    Raises:
        Nothing.

    Example:
        >>> step_quality(0.75, 0.5, 0.5, discount=0.5)
        0.5
    """
    return value - parent_value + discount * state_value


def backed_up_value(qualities: Sequence[float], visits: Sequence[int]) -> float:
    """V of a state in a tree search: the mean quality of its next steps by their visits (MCTS-DPO, arXiv 2405.00451).

        V = sum of max(1, N_c) Q_c / sum of max(1, N_c)

    Args:
        qualities: Q of every next step.
        visits: N of every next step; one that was not visited counts as one that was visited once.

    Returns:
        A float between the smallest and the largest quality; 0 for a state without next steps.

    Raises:
        ForageError: a negative count.
        ValueError: not as many visits as qualities.

    Example:
        >>> backed_up_value([1.0, 0.0], [3, 0])
        0.75
    """
    if any(count < 0 for count in visits):
        raise ForageError(f"Visits are counts, so 0 or more, not {list(visits)}.")
    weights = [max(1, count) for count in visits]
    total = math.fsum(weight * quality for weight, quality in zip(weights, qualities, strict=True))
    return total / sum(weights) if weights else 0.0
