"""Learning from responses that somebody else wrote, beside those that the policy sampled (RL-PLUS, arXiv 2508.00222).

Axes: B sequences, T tokens.
"""

import math

from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape


def surrogate_ratio(logprob: Tensor, behaviour: Tensor, mask: Tensor, *, uniform: float = 1.0) -> Tensor:
    """2 pi / (pi_w + pi_old) with pi_w = (pi_old + uniform) / 2: (B, T), 0 off the mask.

    An importance ratio for tokens whose writer's probabilities are not known. logprob (B, T) float, of the policy being
    updated, may carry gradients; behaviour (B, T) float, of the policy before the update; mask (B, T) bool. `uniform`
    is 1 in the released code, so that the ratio is 4 pi / (3 pi_old + 1), at most 4 and at most 1 where pi = pi_old; in
    the paper it is the probability 1 / V of a token drawn from the vocabulary. Raises ForageError unless it lies in
    (0, 1].
    """
    if not 0 < uniform <= 1:
        raise ForageError(f"uniform is a probability above 0 (1, or 1 over the vocabulary's size), not {uniform}.")
    require_shape(tuple(mask.shape), logprob=logprob, behaviour=behaviour)
    before = masked(behaviour.detach(), mask).exp()
    return masked(4 * masked(logprob, mask).exp() / (3 * before + uniform), mask)


def unlikely_weight(logprob: Tensor, mask: Tensor, *, gamma: float = 0.5) -> Tensor:
    """(1 - pi)^gamma without a gradient: (B, T), 0 off the mask; the rarer a right token, the more it counts.

    The factor of the advantage of a demonstration's token. gamma = 0 is 1 on the mask. Raises ForageError for a
    negative gamma.
    """
    if not (math.isfinite(gamma) and gamma >= 0):
        raise ForageError(f"gamma says how much unlikely tokens count: it must be 0 (all alike) or more, not {gamma}.")
    require_shape(tuple(mask.shape), logprob=logprob)
    probability = masked(logprob.detach(), mask).exp().clamp(max=1)
    return masked((1 - probability) ** gamma, mask)
