"""Smoothed preferences: the table of the paper's formula, limits, and the slope against autograd."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.preferences import preference_loss, preference_pull, visit_smoothing


@pytest.mark.parametrize(
    ("winner", "loser", "wanted"),
    [(10, 2, 1 / 6), (4, 4, 0.5), (7, 0, 0.0), (0, 0, 0.0), (2, 9, 0.5), (0, 1, 0.5), (3, 1, 0.25)],
)
def test_visits_by_hand(winner: int, loser: int, wanted: float) -> None:
    # conf = 1 / (1 + loser / max(1, winner)); 1 - conf is capped at one half.
    assert visit_smoothing(winner, loser) == pytest.approx(wanted)


def test_negative_visits_are_a_sentence() -> None:
    with pytest.raises(ForageError, match="counts"):
        visit_smoothing(-1, 2)


def test_without_smoothing_it_is_dpo_and_by_hand_with_it() -> None:
    margin = torch.tensor([0.0, 1.0, -2.0], dtype=torch.float64)
    plain = preference_loss(margin, torch.zeros(3, dtype=torch.float64))
    wanted = [math.log(2), math.log(1 + math.exp(-1)), math.log(1 + math.exp(2))]
    assert plain.tolist() == pytest.approx(wanted)
    smooth = preference_loss(margin, torch.full((3,), 0.25, dtype=torch.float64))
    other = [math.log(2), math.log(1 + math.exp(1)), math.log(1 + math.exp(-2))]
    assert smooth.tolist() == pytest.approx([0.75 * a + 0.25 * b for a, b in zip(wanted, other, strict=True)])


def test_the_pull_is_minus_the_slope() -> None:
    margin = torch.linspace(-6, 6, 25, dtype=torch.float64, requires_grad=True)
    smoothing = torch.linspace(0, 0.5, 25, dtype=torch.float64)
    (slope,) = torch.autograd.grad(preference_loss(margin, smoothing).sum(), margin)
    torch.testing.assert_close(preference_pull(margin.detach(), smoothing), -slope)


def test_equal_visits_pull_to_nowhere_but_zero() -> None:
    half = torch.tensor([0.5, 0.5, 0.5])
    pull = preference_pull(torch.tensor([0.0, 1.0, -1.0]), half)
    assert pull[0] == 0
    assert pull[1] < 0 < pull[2]
