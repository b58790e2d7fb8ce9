import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.soft_labels import soft_label

M = 16
# (1 / eta) ln(1 - p + p e^eta) for p = k / 16.
ETA_ONE = [0, 0.102, 0.195, 0.279, 0.357, 0.430, 0.497, 0.561, 0.620]
ETA_ONE += [0.676, 0.729, 0.780, 0.828, 0.874, 0.918, 0.960, 1]


def label(right: int, eta: float) -> float:
    return soft_label(torch.tensor([1] * right + [0] * (M - right)), eta=eta).item()


def test_golden_table() -> None:
    assert [label(k, 1.0) for k in range(M + 1)] == pytest.approx(ETA_ONE, abs=5e-4)
    assert [label(k, 2.0) for k in (1, 8)] == pytest.approx([0.168, 0.717], abs=5e-4)
    assert [label(k, 5.0) for k in (1, 8)] == pytest.approx([0.465, 0.863], abs=5e-4)
    assert [label(k, -1.0) for k in (1, 8)] == pytest.approx([0.040, 0.380], abs=5e-4)


def test_limits() -> None:
    outcomes = torch.tensor([0.0, 0.25, 1.0])
    assert soft_label(outcomes, eta=0.0).item() == pytest.approx(1.25 / 3)
    assert soft_label(outcomes, eta=math.inf).item() == 1
    assert soft_label(outcomes, eta=-math.inf).item() == 0
    assert soft_label(outcomes, eta=1e-12).item() == pytest.approx(1.25 / 3, rel=1e-11)
    assert soft_label(outcomes, eta=1e-200).item() == pytest.approx(1.25 / 3)
    assert soft_label(outcomes, eta=1e4).item() == pytest.approx(1 - math.log(3) / 1e4)
    assert soft_label(outcomes, eta=-1e4).item() == pytest.approx(math.log(3) / 1e4)


values = st.lists(st.floats(-5, 5), min_size=1, max_size=8)
etas = st.floats(-1e4, 1e4).filter(lambda eta: eta == 0 or abs(eta) > 1e-3)


@given(values, etas, st.floats(-3, 3))
def test_laws(outcomes: list[float], eta: float, shift: float) -> None:
    y = torch.tensor(outcomes, dtype=torch.float64)
    result = soft_label(y, eta=eta).item()
    assert y.min() <= result <= y.max()
    assert soft_label(y.flip(0), eta=eta).item() == pytest.approx(result, abs=1e-9)
    assert soft_label(y + shift, eta=eta).item() == pytest.approx(result + shift, abs=1e-9)
    assert soft_label(y, eta=eta + 1) >= result - 1e-9
    if eta > 0:
        assert result >= y.max() - math.log(len(y)) / eta - 1e-9


@given(values, st.floats(-20, 20), st.sampled_from([-2.0, -0.5, 0.5, 3.0]))
def test_scale(outcomes: list[float], eta: float, c: float) -> None:
    y = torch.tensor(outcomes, dtype=torch.float64)
    assert soft_label(c * y, eta=eta).item() == pytest.approx(c * soft_label(y, eta=c * eta).item(), abs=1e-9)


def test_two_levels_are_one() -> None:
    y = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    two = soft_label(soft_label(y, eta=3.0), eta=3.0)
    assert two.item() == pytest.approx(soft_label(y.flatten(), eta=3.0).item())


def test_the_dual_form() -> None:
    """-(1/eta) ln E_{pi*} exp(-eta r) with pi* proportional to pi0 exp(eta r) is the same number."""
    eta, y = 2.5, torch.tensor([0.0, 0.3, 1.0, 1.0], dtype=torch.float64)
    tilted = torch.softmax(eta * y, 0)
    dual = -torch.log((tilted * torch.exp(-eta * y)).sum()) / eta
    assert soft_label(y, eta=eta).item() == pytest.approx(dual.item(), abs=1e-10)


def test_strictly_increasing_in_successes() -> None:
    for eta in (-5.0, 0.0, 1.0, 30.0):
        labels = [label(k, eta) for k in range(M + 1)]
        assert labels == sorted(set(labels))
        assert (labels[0], labels[-1]) == (0, 1)


def test_wrong_arguments_are_explained() -> None:
    with pytest.raises(ForageError, match="at least one outcome"):
        soft_label(torch.zeros(3, 0), eta=1.0)
    with pytest.raises(ForageError, match="eta"):
        soft_label(torch.zeros(3), eta=math.nan)
