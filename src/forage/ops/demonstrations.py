"""Learning from responses that somebody else wrote, beside those that the policy sampled (RL-PLUS, arXiv 2508.00222).

Axes: B sequences, T tokens.
"""

import math

from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def surrogate_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor, *, uniform: float = 1.0) -> Tensor:
    """An importance ratio for tokens whose writer's probabilities are not known (RL-PLUS, arXiv 2508.00222).

        2 pi / (pi_w + pi_old),  pi_w = (pi_old + uniform) / 2

    With `uniform` 1, as in the released code, the ratio is 4 pi / (3 pi_old + 1): at most 4, and at most 1 where pi is
    pi_old. In the paper it is the probability 1 / V of a token drawn from the vocabulary.

    Args:
        logprob: (B, T) float, log pi of the policy being updated; may carry gradients.
        behaviour: (B, T) float, log pi_old of the policy before the update.
        mask: (B, T) bool, the tokens of the demonstrations.
        uniform: a probability above 0.

    Returns:
        (B, T), 0 off the mask.

    Raises:
        ForageError: `uniform` lies outside (0, 1].
        ValueError: the shapes differ.

    Example:
        >>> logprob = torch.log(torch.tensor([[0.5, 0.5]]))
        >>> surrogate_ratio(logprob, logprob, torch.tensor([[True, False]]))  # 4 / 2 / (3 / 2 + 1)
        tensor([[0.8000, 0.0000]])
    """
    if not 0 < uniform <= 1:
        raise ForageError(f"uniform is a probability above 0 (1, or 1 over the vocabulary's size), not {uniform}.")
    require_shape(tuple(mask.shape), logprob=logprob, behaviour=behaviour)
    before = masked(behaviour.detach(), mask).exp()
    return masked(4 * masked(logprob, mask).exp() / (3 * before + uniform), mask)


def unlikely_weight(logprob: Tensor, mask: Tensor, *, gamma: float = 0.5) -> Tensor:
    """How much a token of a demonstration counts: the rarer, the more (RL-PLUS, arXiv 2508.00222).

        (1 - pi)^gamma, without a gradient

    The factor of the advantage of the token. gamma = 0 is 1 on the mask.

    Args:
        logprob: (B, T) float, log pi of the policy.
        mask: (B, T) bool, the tokens of the demonstrations.
        gamma: how much unlikely tokens count, 0 or more.

    Returns:
        (B, T), 0 off the mask.

    Raises:
        ForageError: a negative `gamma`.
        ValueError: the shapes differ.

    Example:
        >>> unlikely_weight(torch.log(torch.tensor([[0.75, 0.75]])), torch.tensor([[True, False]]), gamma=0.5)
        tensor([[0.5000, 0.0000]])
    """
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ForageError(f"gamma says how much unlikely tokens count: it must be 0 (all alike) or more, not {gamma}.")
    require_shape(tuple(mask.shape), logprob=logprob)
    probability = masked(logprob.detach(), mask).exp().clamp(max=1)
    return masked((1 - probability) ** gamma, mask)
