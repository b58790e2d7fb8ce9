import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.success_replay import difficulty_weight, replay_advantage, shaped_ratio


def test_advantage_by_hand() -> None:
    assert replay_advantage([0, 0, 0, 1], 1) == pytest.approx(1 - 2 / 5)
    assert replay_advantage([0] * 16, 2) == pytest.approx(16 / 18)
    assert replay_advantage([1, 1], 3) == 0
    assert replay_advantage([], 2) == 0, "nothing to compare with"
    # One of three ones among four: mean 3/4, sample deviation 1/2.
    assert replay_advantage([0, 1], 2, scale="std") == pytest.approx(0.25 / 0.5, rel=1e-5)
    with pytest.raises(ForageError, match="replayed"):
        replay_advantage([1.0], 0)


@pytest.mark.parametrize(("p", "slope"), [(1.0, 0.0826), (0.1, 0.25), (0.01, 0.0826), (0.001, 0.0098)])
def test_golden_slopes_of_a_shaped_ratio(p: float, slope: float) -> None:
    """.1 p / (p + .1)^2 where the behaviour probability is 1: largest, 1/4, at p = .1."""
    logprob = torch.tensor([[0.0, math.log(p)]], dtype=torch.float64, requires_grad=True)
    f = shaped_ratio(logprob, torch.zeros(1, 2, dtype=torch.float64), torch.tensor([[False, True]]))
    assert f[0, 0] == 0
    assert float(f[0, 1]) == pytest.approx(p / (p + 0.1))
    (gradient,) = torch.autograd.grad(f.sum(), logprob)
    assert gradient[0].tolist() == pytest.approx([0, slope], abs=5e-5)


def test_a_shaped_ratio_stays_finite() -> None:
    logprob = torch.tensor([[0.0, -2000.0, float("nan")]], requires_grad=True)
    behaviour = torch.tensor([[-2000.0, 0.0, float("nan")]])
    f = shaped_ratio(logprob, behaviour, torch.tensor([[True, True, False]]))
    assert f.tolist() == [[1, 0, 0]]
    (gradient,) = torch.autograd.grad(f.sum(), logprob)
    assert gradient.isfinite().all()
    with pytest.raises(ForageError, match="constant"):
        shaped_ratio(logprob, behaviour, torch.tensor([[True, True, False]]), constant=0)


def test_weights_by_difficulty_are_those_of_a_normal_density() -> None:
    weights = [difficulty_weight(k, 8) for k in range(9)]
    assert max(weights) == weights[4] == 1
    assert weights == weights[::-1]
    assert weights[6] / weights[5] == pytest.approx(math.exp(-(4 - 1) / 2))
    with pytest.raises(ForageError, match="cannot be right"):
        difficulty_weight(9, 8)
