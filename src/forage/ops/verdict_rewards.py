"""Rewards added to the verdict of one response: for its length, for turning a start around, and for its steps."""

import math

from forage.core.errors import ForageError


def overlong_penalty(length: int, *, limit: int, buffer: int) -> float:
    """The soft penalty for responses that come close to the length limit (DAPO, arXiv 2503.14476, equation 13).

        -min(max((length - (limit - buffer)) / buffer, 0), 1)

    Args:
        length: tokens of the response, a prefix that it began with included.
        limit: the length at which the penalty is -1.
        buffer: over how many tokens before that it grows.

    Returns:
        A float in [-1, 0], to be added to the reward.

    Raises:
        ForageError: not 0 < buffer <= limit.

    Example:
        >>> [overlong_penalty(length, limit=100, buffer=20) for length in (90, 100, 120)]
        [-0.5, -1.0, -1.0]
    """
    check_overlong(limit, buffer)
    return -min(max((length - (limit - buffer)) / buffer, 0.0), 1.0)


def restart_bonus(correct: bool, start_correct: bool | None, *, beta: float = 0.5) -> float:
    """A bonus for turning a wrong start right, and its price for the other way (Satori, arXiv 2502.02508, section 4.2).

        +beta where a start cut from a wrong response ends right, -beta where one cut from a right response ends wrong

    The method adds it to a reward of 0 for a right and -1 for a wrong response.

    Args:
        correct: whether the response is right.
        start_correct: whether the response that its start was cut from was right; None for a start from the beginning.
        beta: what a turn is worth, 0 or more.

    Returns:
        -beta, 0 or beta.

    Raises:
        ForageError: beta is below 0.

    Example:
        >>> restart_bonus(True, False), restart_bonus(False, True), restart_bonus(True, None)
        (0.5, -0.5, 0.0)
    """
    check_turn(beta)
    if start_correct is None or correct == start_correct:
        return 0.0
    return beta if correct else -beta


def step_reward(matched: float, valid: bool, *, alpha: float = 0.1, validity: float = 1.0) -> float:
    """A reward for mentioning the key steps of a solution and for well-formed steps (StepGRPO, arXiv 2503.12937).

        alpha * matched + validity * [valid]

    The method adds it to a verdict of 1 or 0. With the published weights a wrong, well-formed response with all key
    steps (1.1) is worth more than a right, malformed one without any (1.0); with alpha + validity < 1 none is.

    Args:
        matched: share of the key steps that the response mentions, in [0, 1]; 0 where it gives no answer.
        valid: whether all sections are there and the steps are numbered in order.
        alpha: what all key steps are worth, 0 or more.
        validity: what the form is worth, 0 or more.

    Returns:
        A float in [0, alpha + validity], to be added to the reward.

    Raises:
        ForageError: a weight below 0, or a share outside [0, 1].

    Example:
        >>> [1 + step_reward(0.5, True), 1 + step_reward(0.5, False), 0 + step_reward(1.0, True)]
        [2.05, 1.05, 1.1]
    """
    check_step_reward(alpha, validity)
    if not 0 <= matched <= 1:
        raise ForageError(f"The share of the key steps lies in [0, 1], not at {matched}.")
    return alpha * matched + validity * float(valid)


def check_overlong(limit: int, buffer: int) -> None:
    """Raises ForageError unless 0 < buffer <= limit."""
    if not 0 < buffer <= limit:
        raise ForageError(
            f"Overlong needs 0 < buffer <= limit, not buffer {buffer} and limit {limit}: "
            "the penalty grows over the last `buffer` tokens before the limit."
        )


def check_turn(beta: float) -> None:
    """Raises ForageError unless `beta` is 0 or more."""
    if not beta >= 0:
        raise ForageError(f"beta is what a turn is worth, 0 or more, not {beta}.")


def check_step_reward(alpha: float, validity: float) -> None:
    """Raises ForageError unless both weights are 0 or more, and one of them above."""
    if not (min(alpha, validity) >= 0 and 0 < alpha + validity < math.inf):
        raise ForageError(
            f"alpha and validity are what key steps and form are worth, 0 or more and not both 0, not {alpha} and "
            f"{validity}."
        )
