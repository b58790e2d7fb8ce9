import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.whitening import whiten


def test_by_hand() -> None:
    # 1, 2, 6 on the mask: mean 3, squares 4 + 1 + 9 = 14 over 2, deviation sqrt(7).
    values = torch.tensor([[math.nan, 1.0, 2.0], [6.0, 50.0, -50.0]])
    mask = torch.tensor([[False, True, True], [True, False, False]])
    root = math.sqrt(7)
    wanted = torch.tensor([[0, -2 / root, -1 / root], [3 / root, 0, 0]])
    torch.testing.assert_close(whiten(values, mask, eps=0.0), wanted)
    torch.testing.assert_close(whiten(values, mask, eps=1.0), wanted * root / (root + 1))


def test_equal_values_and_single_ones_become_zero() -> None:
    everything = torch.ones(2, 3, dtype=torch.bool)
    assert (whiten(torch.full((2, 3), 0.1), everything, eps=0.0) == 0).all()
    alone = torch.zeros(2, 3, dtype=torch.bool)
    alone[1, 1] = True
    assert (whiten(torch.randn(2, 3), alone, eps=0.0) == 0).all()
    assert (whiten(torch.randn(2, 3), torch.zeros_like(alone), eps=0.0) == 0).all()


def test_eps_is_not_negative() -> None:
    with pytest.raises(ForageError, match="eps"):
        whiten(torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), eps=-1e-8)
