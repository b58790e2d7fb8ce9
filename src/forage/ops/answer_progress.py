"""What each step of a response changed in how likely the policy finds an answer (BARL, arXiv 2505.20561).

K candidate answers, L steps, l = 0 ... L - 1: step l begins in the state s_l and ends in s_{l+1}.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

from forage.core.errors import ForageError
from forage.ops.step_scores import potential_differences


def answer_progress(logprob: Sequence[float], steps: int) -> list[float]:
    """The progress reward of every step of a response (BARL, arXiv 2505.20561).

        r_l = pi(y* | s_{l+1}, mark) - pi(y* | s_l, mark)

    Steps behind the last state that was asked about, where the answer is given already, have 0. The rewards add up to
    the last probability minus the first.

    Args:
        logprob: ln pi(y* | s_l, mark) for the states s_0, s_1, ... that were asked about, one or more.
        steps: how many steps the response has, as many as states without the first, or more.

    Returns:
        A list of `steps` floats in [-1, 1].

    Raises:
        ForageError: no state, or more states than steps have ends.

    Example:
        >>> [round(reward, 6) for reward in answer_progress(np.log([0.25, 0.5, 0.125]), 3)]
        [0.25, -0.375, 0.0]
    """
    if not 1 <= len(logprob) <= steps + 1:
        raise ForageError(f"{steps} steps have 1 to {steps + 1} states to ask about, not {len(logprob)}.")
    start, *chances = map(math.exp, logprob)
    return [*potential_differences(chances, start), *[0.0] * (steps - len(chances))]


def answer_weights(logprob: Sequence[Sequence[float]], *, beta: float) -> list[list[float]]:
    """How plausible each candidate answer is before each step, not normalized (BARL, arXiv 2505.20561).

        w_i(l) = pi(y_i | s_l, mark) prod_{m < l} exp(-beta |r_0(m) - r_i(m)|)

    r_i is the progress reward if y_i were the right answer. What is observed is that of the first candidate, so the
    product is 1 for it, and for the others the evidence against them: it never grows along a response.

    Args:
        logprob: (K, L + 1), ln pi(y_i | s_l, mark); the first row is the right answer's.
        beta: how much a difference from what was observed counts against a candidate, 0 or more.

    Returns:
        (K, L) floats in [0, 1].

    Raises:
        ForageError: beta is negative or not finite, there is no candidate, or they have no state or not as many.

    Example:
        >>> weights = answer_weights(np.log([[0.25, 0.5, 0.5], [0.5, 0.25, 0.5]]), beta=np.log(4))
        >>> [[round(weight, 6) for weight in row] for row in weights]  # |r_0(0) - r_1(0)| = 1/2, so 1/4 * 1/2
        [[0.25, 0.5], [0.5, 0.125]]
    """
    check_beta(beta)
    if not len(logprob) or not len(logprob[0]) or any(len(row) != len(logprob[0]) for row in logprob):
        raise ForageError("Candidate answers are one or more, all asked for in the same states, one or more.")
    rewards = [answer_progress(row, len(row) - 1) for row in logprob]
    weights = []
    for row, reward in zip(logprob, rewards, strict=True):
        apart = accumulate(
            (abs(seen - expected) for seen, expected in zip(rewards[0], reward, strict=True)), initial=0.0
        )
        weights.append([math.exp(float(chance) - beta * gap) for chance, gap in zip(row[:-1], apart, strict=False)])
    return weights


def posterior_credit(
    logprob: Sequence[Sequence[float]], steps: int, *, beta: float = 1.0, discount: float = 1.0
) -> list[float]:
    """The credit of every step of a response under the posterior over candidate answers (BARL, arXiv 2505.20561).

        C_l = sum_i Q_i(l) w_i(l)        Q_i(l) = sum_{m >= l} discount^(m - l) r_i(m)

    with the weights of `answer_weights`. With discount 1 Q_i(l) is the last probability of y_i minus that before step
    l. A single candidate, the right answer, leaves Q_0(l) pi(y* | s_l). Steps behind the last state have 0.

    Args:
        logprob: (K, states), ln pi(y_i | s_l, mark) for the states that were asked about; the right answer's first.
        steps: how many steps the response has, as many as states without the first, or more.
        beta: how much a difference from what was observed counts against a candidate, 0 or more.
        discount: of later progress, in [0, 1].

    Returns:
        A list of `steps` floats.

    Raises:
        ForageError: as `answer_progress` and `answer_weights`, and a discount outside [0, 1].

    Example:
        >>> logprob = np.log([[0.25, 0.5, 0.5], [0.5, 0.25, 0.5]])
        >>> [round(credit, 6) for credit in posterior_credit(logprob, 2, beta=np.log(4))]  # 1/4 1/4 + 0, 0 + 1/4 1/8
        [0.0625, 0.03125]
    """
    if not 0 <= discount <= 1:
        raise ForageError(f"The discount of later progress must lie between 0 and 1, not {discount}.")
    credit = [0.0] * steps
    for row, weights in zip(logprob, answer_weights(logprob, beta=beta), strict=True):
        returns = accumulate(reversed(answer_progress(row, steps)), lambda later, now: now + discount * later)
        for place, (value, weight) in enumerate(zip(reversed(list(returns)), weights, strict=False)):
            credit[place] += value * weight
    return credit


def check_beta(beta: float) -> None:
    """Raises ForageError unless beta is a number of 0 or more."""
    if not (math.isfinite(beta) and beta >= 0):
        raise ForageError(f"beta, the weight of evidence against a candidate answer, is 0 or more, not {beta}.")
