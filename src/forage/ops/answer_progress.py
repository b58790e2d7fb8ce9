"""What each step of a response changed in how likely the policy finds the right answer (BARL, arXiv 2505.20561)."""

import math
from collections.abc import Sequence

from forage.core.errors import ForageError
from forage.ops.step_scores import potential_differences


def answer_progress(logprob: Sequence[float], steps: int) -> list[float]:
    """The progress reward of every step of a response (BARL, arXiv 2505.20561).

        r_l = pi(y* | s_l, mark) - pi(y* | s_{l-1}, mark)

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
