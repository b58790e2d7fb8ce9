import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.returns import at_last_token, gae
from forage.ops.semantic import semantic_entropy

MASK = torch.tensor([[False, True, True, True, False]])


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def test_by_hand() -> None:
    # gamma .5, lam .5; r = 1, 0, 4; V = 2, 2, 2. delta: 1 + .5*2 - 2 = 0; 0 + 1 - 2 = -1; 4 + 0 - 2 = 2.
    # A_3 = 2; A_2 = -1 + .25 * 2 = -.5; A_1 = 0 + .25 * -.5 = -.125
    reward, value = row(math.nan, 1, 0, 4, 9), row(7, 2, 2, 2, math.nan)
    assert gae(reward, value, MASK, gamma=0.5, lam=0.5).tolist() == [[0, -0.125, -0.5, 2, 0]]


def test_reductions() -> None:
    reward, value = row(0, 1, 2, 4, 0), row(0, 0.5, -1, 3, 0)
    nothing = torch.zeros_like(value)
    # lam 1 and no values: the return 1 + 2 + 4, 2 + 4, 4; discounted by .5: 1 + 1 + 1, 2 + 2, 4.
    assert gae(reward, nothing, MASK, gamma=1.0, lam=1.0).tolist() == [[0, 7, 6, 4, 0]]
    assert gae(reward, nothing, MASK, gamma=0.5, lam=1.0).tolist() == [[0, 3, 4, 4, 0]]
    # lam 1: return minus value; lam 0: the one-step error.
    assert gae(reward, value, MASK, gamma=1.0, lam=1.0).tolist() == [[0, 6.5, 7, 1, 0]]
    assert gae(reward, value, MASK, gamma=1.0, lam=0.0).tolist() == [[0, 1 - 1 - 0.5, 2 + 3 + 1, 4 - 3, 0]]


def test_a_hole_in_the_mask_does_not_exist() -> None:
    holed = torch.tensor([[True, False, True, True]])
    reward, value = row(1, 100, 0, 4), row(2, 100, 2, 2)
    solid = gae(row(1, 0, 4), row(2, 2, 2), torch.ones(1, 3, dtype=torch.bool), gamma=0.9, lam=0.7)
    assert gae(reward, value, holed, gamma=0.9, lam=0.7)[holed].tolist() == solid[0].tolist()


def test_settings_are_checked() -> None:
    for gamma, lam in ((1.1, 1.0), (1.0, -0.1), (math.nan, 1.0)):
        with pytest.raises(ForageError, match="gamma and lam"):
            gae(row(1), row(0), torch.tensor([[True]]), gamma=gamma, lam=lam)
    with pytest.raises(ValueError, match="value has shape"):
        gae(row(1, 2), row(0), torch.tensor([[True, True]]), gamma=1.0, lam=1.0)


def test_semantic_entropy() -> None:
    # (.5, .3, .2): .5 ln 2 + .3 ln(10/3) + .2 ln 5 = 1.029653
    assert semantic_entropy(torch.tensor([5, 3, 2])).item() == pytest.approx(1.029653, abs=1e-6)
    assert semantic_entropy(torch.tensor([50, 30, 20, 0])).item() == pytest.approx(1.029653, abs=1e-6)
    assert semantic_entropy(torch.ones(7)).item() == pytest.approx(math.log(7))
    assert semantic_entropy(torch.tensor([[4, 0], [0, 0]])).tolist() == [0, 0]
    with pytest.raises(ForageError, match="negative"):
        semantic_entropy(torch.tensor([1, -1]))


def test_a_reward_stands_at_the_last_token() -> None:
    mask = torch.tensor([[False, True, True, False], [True, False, True, True], [False, False, False, False]])
    reward = torch.tensor([2.0, -1.0, 5.0])
    assert at_last_token(reward, mask).tolist() == [[0, 0, 2, 0], [0, 0, 0, -1], [0, 0, 0, 0]]
    unjudged = torch.tensor([math.nan, 1.0, math.nan])
    assert at_last_token(unjudged, mask & ~unjudged.isnan()[:, None]).tolist()[0] == [0, 0, 0, 0]
    with pytest.raises(ValueError, match="value has shape"):
        at_last_token(torch.zeros(2), mask)
