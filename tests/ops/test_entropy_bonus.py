import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.entropy import entropy_bonus
from forage.ops.planning import planning_credit

# alpha .4, kappa 2: A + min(.4 H, |A| / 2).
GOLDEN = [
    (1.0, 0.0, 1.0),
    (1.0, 0.5, 1.2),
    (1.0, 1.25, 1.5),
    (1.0, 3.0, 1.5),
    (-1.0, 0.5, -0.8),
    (-1.0, 3.0, -0.5),
    (0.2, 1.0, 0.3),
    (-0.2, 1.0, -0.1),
    (0.0, 2.0, 0.0),
]
# Below the normal numbers of float32 a quotient has no relative precision left.
numbers = st.floats(-50, 50, width=32).filter(lambda a: a == 0 or abs(a) > 1e-30)
entropies = st.floats(0, 20, width=32)


def test_golden_table() -> None:
    advantage, entropy, wanted = (torch.tensor(column) for column in zip(*GOLDEN, strict=True))
    torch.testing.assert_close(entropy_bonus(advantage, entropy, alpha=0.4, kappa=2.0), wanted)


@given(numbers, entropies, st.floats(0, 5), st.floats(1.01, 100))
def test_bounds_and_signs(a: float, h: float, alpha: float, kappa: float) -> None:
    advantage, entropy = torch.tensor([a]), torch.tensor([h])
    bonus = entropy_bonus(advantage, entropy, alpha=alpha, kappa=kappa) - advantage
    assert 0 <= bonus.item() <= abs(a) / kappa * (1 + 1e-5) + abs(a) * 1e-6
    assert torch.sign(advantage + bonus) == torch.sign(advantage)
    more = entropy_bonus(advantage, entropy + 1, alpha=alpha, kappa=kappa) - advantage
    assert more >= bonus


@given(numbers, entropies)
def test_no_strength_is_the_identity(a: float, h: float) -> None:
    advantage, entropy = torch.tensor([a]), torch.tensor([h])
    assert torch.equal(entropy_bonus(advantage, entropy, alpha=0.0, kappa=2.0), advantage)
    assert torch.equal(entropy_bonus(advantage, torch.zeros(1), alpha=0.4, kappa=2.0), advantage)
    assert torch.equal(entropy_bonus(advantage, entropy, alpha=0.4, kappa=math.inf), advantage)


def test_no_gradient_flows_through_the_entropy() -> None:
    entropy = torch.tensor([0.5, 3.0], requires_grad=True)
    assert not entropy_bonus(torch.tensor([1.0, -1.0]), entropy, alpha=0.4, kappa=2.0).requires_grad


def test_a_rounding_error_below_zero_is_no_penalty() -> None:
    advantage = torch.tensor([1.0, -1.0])
    assert torch.equal(entropy_bonus(advantage, torch.full((2,), -1e-7), alpha=0.4, kappa=2.0), advantage)


def test_settings_that_break_the_bounds_are_refused() -> None:
    a, h = torch.ones(1), torch.ones(1)
    for alpha in (-0.1, math.nan, math.inf):
        with pytest.raises(ForageError, match="alpha"):
            entropy_bonus(a, h, alpha=alpha, kappa=2.0)
    for kappa in (1.0, 0.5, -2.0, math.nan):
        with pytest.raises(ForageError, match="kappa"):
            entropy_bonus(a, h, alpha=0.4, kappa=kappa)
    with pytest.raises(ValueError, match="entropy has shape"):
        entropy_bonus(torch.ones(2, 3), torch.ones(2, 1), alpha=0.4, kappa=2.0)


def test_planning_golden_table() -> None:
    # alpha .2: A + .2 |A|.
    advantage = torch.tensor([1.0, -1.0, 0.0, 0.5, -0.5])
    planning = torch.ones(5, dtype=torch.bool)
    torch.testing.assert_close(
        planning_credit(advantage, planning, alpha=0.2), torch.tensor([1.2, -0.8, 0.0, 0.6, -0.4])
    )
    assert torch.equal(planning_credit(advantage, ~planning, alpha=0.2), advantage)
    assert torch.equal(planning_credit(advantage, planning, alpha=0.0), advantage)


@given(numbers, st.booleans(), st.floats(-0.99, 0.99))
def test_planning_is_a_factor_by_sign(a: float, planning: bool, alpha: float) -> None:
    advantage = torch.tensor([a], dtype=torch.float64)
    shaped = planning_credit(advantage, torch.tensor([planning]), alpha=alpha)
    factor = 1 + alpha * math.copysign(1, a) if planning else 1.0
    assert shaped.item() == pytest.approx(a * factor, abs=1e-12)


def test_planning_refuses_to_turn_signs() -> None:
    for alpha in (1.0, -1.0, math.nan):
        with pytest.raises(ForageError, match="alpha"):
            planning_credit(torch.ones(1), torch.ones(1), alpha=alpha)
