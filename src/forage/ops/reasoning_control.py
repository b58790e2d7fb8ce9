"""When a chain of reasoning is deepened, branched or stopped, by how its uncertainty changes from step to step."""

import math
from collections.abc import Sequence
from typing import Literal

from forage.core.errors import ForageError

ReasoningAction = Literal["deepen", "branch", "stop"]


def step_uncertainty(entropies: Sequence[float]) -> tuple[float, float]:
    """How uncertain the tokens of a step are, and how unevenly (Entro-duction, arXiv 2503.15848).

        mean H,  mean (H_k - mean H)^2

    Args:
        entropies: H of the tokens of a step, in nats; NaN, where the sampler could not tell, is left out.

    Returns:
        (mean, variance); (NaN, NaN) where nothing is known.

    Raises:
        Nothing.

    Example:
        >>> step_uncertainty([0.0, 1.0])
        (0.5, 0.25)
    """
    known = [each for each in entropies if math.isfinite(each)]
    if not known:
        return math.nan, math.nan
    mean = math.fsum(known) / len(known)
    return mean, math.fsum((each - mean) ** 2 for each in known) / len(known)


def chosen_uncertainty(logits: Sequence[float]) -> tuple[float, float]:
    """Uncertainty of a step from the scores of its chosen tokens alone, as the paper reads it (arXiv 2503.15848).

        p = softmax over the n tokens of the step,  -sum p log2 p / log2 n,  and the variance of -p_k log2 p_k

    Args:
        logits: of the chosen token at each place of a step; log-probabilities may stand for them. What is not finite
            is left out.

    Returns:
        (entropy in [0, 1], variance): 1 and 0 for equal scores; 0 and 0 for a single token; NaN where nothing is known.

    Raises:
        Nothing.

    Example:
        >>> chosen_uncertainty([2.0, 2.0])
        (1.0, 0.0)
    """
    known = [each for each in logits if math.isfinite(each)]
    if len(known) < 2:
        return (0.0, 0.0) if known else (math.nan, math.nan)
    largest = max(known)
    weights = [math.exp(each - largest) for each in known]
    shares = [each / math.fsum(weights) for each in weights]
    terms = [-share * math.log2(share) if share else 0.0 for share in shares]
    _, variance = step_uncertainty(terms)
    return min(math.fsum(terms) / math.log2(len(known)), 1.0), variance


def reasoning_action(entropy_change: float, variance_change: float) -> ReasoningAction:
    """What to do after a step, by how its uncertainty differs from the step before (Entro-duction, arXiv 2503.15848).

        variance not risen: deepen;  variance risen: branch where the entropy has not risen, stop where it has

    Args:
        entropy_change: of the mean or normalized entropy.
        variance_change: of the variance of the entropies; NaN, in either, is a change that is not known: deepen.

    Returns:
        "deepen", "branch" or "stop".

    Raises:
        Nothing.

    Example:
        >>> [reasoning_action(h, s) for h, s in ((-1, -1), (1, -1), (-1, 1), (1, 1))]
        ['deepen', 'deepen', 'branch', 'stop']
    """
    if math.isnan(entropy_change) or not variance_change > 0:
        return "deepen"
    return "stop" if entropy_change > 0 else "branch"


def noisy_action(action: ReasoningAction, chance: float, *, epsilon: float = 0.25) -> ReasoningAction:
    """The action, or with probability epsilon one of the two others (Entro-duction, arXiv 2503.15848).

        chance < epsilon / 2: the first of the others;  < epsilon: the second;  else the action itself

    Args:
        action: what was chosen.
        chance: a uniform draw from [0, 1).
        epsilon: how often another action is taken, in [0, 1].

    Returns:
        "deepen", "branch" or "stop".

    Raises:
        ForageError: epsilon is out of its range.

    Example:
        >>> noisy_action("branch", 0.9), noisy_action("branch", 0.1), noisy_action("branch", 0.2)
        ('branch', 'deepen', 'stop')
    """
    if not 0 <= epsilon <= 1:
        raise ForageError(f"The share of actions taken at random must lie in 0 ... 1, not {epsilon}.")
    others: list[ReasoningAction] = [each for each in ("deepen", "branch", "stop") if each != action]
    return action if chance >= epsilon else others[int(chance >= epsilon / 2)]
