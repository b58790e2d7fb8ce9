"""The critic's error and what it explains, against tables worked by hand."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.values import clipped_value_error, explained_variance


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def test_clipped_error_by_hand() -> None:
    # Before 0.5, clip 0.2, so values are held in [0.3, 0.7].
    #   V 0.6, target 1: inside, (0.4)^2 / 2 = 0.08, not held
    #   V 0.9, target 1: held at 0.7 the error is 0.3 > 0.1: 0.045, held (it moved towards the target, too far)
    #   V 0.9, target 0: free error 0.9 > 0.7: 0.405, not held (it moved away: the gradient must bring it back)
    #   V 0.1, target 0: held at 0.3: 0.045, held
    value = row(0.6, 0.9, 0.9, 0.1).requires_grad_()
    before, target = row(0.5, 0.5, 0.5, 0.5), row(1, 1, 0, 0)
    error, held = clipped_value_error(value, before, target, torch.ones(1, 4, dtype=torch.bool), clip=0.2)
    torch.testing.assert_close(error.detach(), row(0.08, 0.045, 0.405, 0.045))
    assert held.tolist() == [[False, True, False, True]]
    (gradient,) = torch.autograd.grad(error.sum(), value)
    torch.testing.assert_close(gradient, row(-0.4, 0, 0.9, 0))


def test_without_a_clip_it_is_half_the_squared_error_and_the_mask_hides_nan() -> None:
    mask = torch.tensor([[True, False, True]])
    value = row(2, math.nan, -1).requires_grad_()
    error, held = clipped_value_error(value, row(0, math.nan, 0), row(0, math.nan, 1), mask, clip=math.inf)
    assert error.tolist() == [[2, 0, 2]]
    assert not held.any()
    assert torch.autograd.grad(error.sum(), value)[0].tolist() == [[2, 0, -2]]


def test_explained_variance_by_hand() -> None:
    mask = torch.tensor([[True, True, True, True, False]])
    target = row(0, 0, 1, 1, 99)  # variance 1/4
    assert explained_variance(target, target, mask) == 1
    assert explained_variance(row(0.3, 0.3, 0.3, 0.3, 0), target, mask) == 0
    # Errors -.5, 0, .5, 0 around mean 0: variance 1/8, half of 1/4.
    assert explained_variance(row(0.5, 0, 0.5, 1, 0), target, mask) == pytest.approx(0.5)
    assert explained_variance(1 - target, target, mask) == pytest.approx(-3)
    assert math.isnan(explained_variance(target, torch.ones_like(target), mask))
    assert math.isnan(explained_variance(target, target, torch.zeros_like(mask)))


@pytest.mark.parametrize("clip", [0.0, -1.0, math.nan])
def test_a_clip_is_above_zero(clip: float) -> None:
    with pytest.raises(ForageError, match="clip of values"):
        clipped_value_error(row(0), row(0), row(0), torch.tensor([[True]]), clip=clip)
