"""A bonus for what is new, paid to wrong responses and fading over a run (arXiv 2505.17621). Axes: B responses."""

import math

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape


def novelty_bonus(novelty: Tensor, right: Tensor, step: int, *, height: float = 0.5, decay: float = 40.0) -> Tensor:
    """The novelty of wrong responses on the scale of its batch, fading over the steps (i-MENTOR, arXiv 2505.17621).

        b = [wrong] * height (n - min n) / (max n - min n) * decay / (decay + step)

    It is added to a settled advantage, so that the statistics of groups stay those of the reward.

    Args:
        novelty: (B,) float, n, of all responses of a batch; NaN takes no part and gets 0.
        right: (B,) bool; right responses set the scale too, and get exactly 0.
        step: how many steps there were before, 0 or more.
        height: the bonus of the newest response in the first step, above 0.
        decay: steps after which the bonus is half of that, above 0; inf never fades.

    Returns:
        (B,) of the dtype of `novelty`, in [0, height]; 0 where all are equally new.

    Raises:
        ForageError: a height, a decay or a step out of its range.
        ValueError: the shapes differ.

    Example:
        >>> right = torch.tensor([False, False, False, True])
        >>> novelty_bonus(torch.tensor([1.0, 2.0, 3.0, 3.0]), right, 0)
        tensor([0.0000, 0.2500, 0.5000, 0.0000])
        >>> novelty_bonus(torch.tensor([1.0, 2.0, 3.0, 3.0]), right, 40)
        tensor([0.0000, 0.1250, 0.2500, 0.0000])
    """
    check_novelty(height, decay)
    if step < 0:
        raise ForageError(f"Steps are counted from 0, not {step}.")
    require_shape(tuple(novelty.shape), right=right)
    scaled = window_scale(novelty.double(), novelty.double()[:0])
    fade = 1.0 if math.isinf(decay) else decay / (decay + step)
    return (height * fade * scaled).masked_fill(right | novelty.isnan(), 0.0).to(novelty.dtype)


def window_scale(value: Tensor, earlier: Tensor, *, least: float = 0.0) -> Tensor:
    """Values on the scale of a window of values, as intrinsic rewards are put on one scale (arXiv 2504.02273).

        (v - min) / (max - min)        min and max over the values and the earlier ones

    Args:
        value: (B,) float; NaN takes no part and stays NaN.
        earlier: (W,) float, values met before; NaN takes no part.
        least: a range of at most this is a constant window, 0 or more: rounding must not be blown up to a scale.

    Returns:
        (B,) of the dtype of `value`, in [0, 1]; 0 where the window is constant.

    Raises:
        ForageError: a negative least range.

    Example:
        >>> window_scale(torch.tensor([1.0, 2.0]), torch.tensor([5.0]))
        tensor([0.0000, 0.2500])
        >>> window_scale(torch.tensor([3.0]), torch.tensor([3.0]))
        tensor([0.])
    """
    if not least >= 0:
        raise ForageError(f"The least range of a window is 0 or more, not {least}.")
    window = torch.cat([value, earlier.to(value.dtype)])
    known = window[~window.isnan()]
    if not len(known) or known.max() - known.min() <= least:
        return torch.zeros_like(value).masked_fill(value.isnan(), torch.nan)
    return (value - known.min()) / (known.max() - known.min())


def check_novelty(height: float, decay: float) -> None:
    """Raises ForageError unless the settings of `novelty_bonus` are in their ranges."""
    if not (0 < height < math.inf and decay > 0):
        raise ForageError(f"A bonus for novelty has a height and a decay above 0, not {height} and {decay}.")
