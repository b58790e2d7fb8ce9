"""The surrogate ratio and the weight of demonstrations, by hand and against their bounds."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.demonstrations import surrogate_ratio, unlikely_weight

MASK = torch.tensor([[False, True, True, True]])
NEW = torch.tensor([[torch.nan, 0.5, 1.0, 0.2]]).log()
OLD = torch.tensor([[torch.nan, 0.25, 1.0, 0.6]]).log()


def test_the_ratio_by_hand() -> None:
    # 4 * .5 / 1.75, 4 / 4, .8 / 2.8; with U = 1/10: 2 / .85, 4 / 3.1, .8 / 1.9.
    torch.testing.assert_close(surrogate_ratio(NEW, OLD, MASK), torch.tensor([[0, 8 / 7, 1, 2 / 7]]))
    published = surrogate_ratio(NEW, OLD, MASK, uniform=0.1)
    torch.testing.assert_close(published, torch.tensor([[0, 2 / 0.85, 4 / 3.1, 0.8 / 1.9]]))


def test_the_ratio_is_that_of_the_mixture() -> None:
    draw = torch.Generator().manual_seed(0)
    new, old = torch.rand(3, 50, generator=draw), torch.rand(3, 50, generator=draw)
    mixed = old / 2 + 0.5
    found = surrogate_ratio(new.log(), old.log(), torch.ones(3, 50, dtype=torch.bool))
    torch.testing.assert_close(found, 2 * new / (mixed + old))
    assert (found >= 0).all()
    assert (found <= 4).all()


def test_where_nothing_moved_the_ratio_is_one_at_certainty_only() -> None:
    p = torch.linspace(0.01, 1, 100)[None]
    ratio = surrogate_ratio(p.log(), p.log(), torch.ones_like(p, dtype=torch.bool))
    assert (ratio[:, :-1] < 1).all()
    assert float(ratio[0, -1]) == pytest.approx(1)


def test_the_weight_by_hand_and_without_a_gradient() -> None:
    logprob = NEW.clone().requires_grad_()
    weight = unlikely_weight(logprob, MASK)
    torch.testing.assert_close(weight, torch.tensor([[0, math.sqrt(0.5), 0, math.sqrt(0.8)]]))
    assert not weight.requires_grad
    assert unlikely_weight(NEW, MASK, gamma=0.0).tolist() == [[0, 1, 1, 1]]


def test_the_gradient_of_the_ratio_is_the_ratio() -> None:
    logprob = NEW.nan_to_num().requires_grad_()
    ratio = surrogate_ratio(logprob, OLD, MASK)
    torch.testing.assert_close(torch.autograd.grad(ratio.sum(), logprob)[0], ratio.detach())


def test_impossible_settings_are_refused() -> None:
    for uniform in (0.0, 1.5, math.nan):
        with pytest.raises(ForageError, match="uniform"):
            surrogate_ratio(NEW, OLD, MASK, uniform=uniform)
    for gamma in (-0.5, math.nan):
        with pytest.raises(ForageError, match="gamma"):
            unlikely_weight(NEW, MASK, gamma=gamma)
