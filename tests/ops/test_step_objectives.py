"""The objectives against tables worked by hand, and their laws."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forage.ops.step_objectives import step_cross_entropy, step_ranking


def test_cross_entropy_by_hand() -> None:
    # Odds 3 : 1 are p = .75.
    logits = torch.tensor([[math.log(3), 0.0]]).expand(3, 2)
    loss = step_cross_entropy(logits, torch.tensor([1.0, 0.0, 0.5]))
    assert loss.tolist() == pytest.approx([-math.log(0.75), -math.log(0.25), -math.log(0.75 * 0.25) / 2], abs=1e-6)


@given(st.floats(0.01, 0.99), st.floats(-4, 4))
def test_cross_entropy_is_least_at_the_label(value: float, offset: float) -> None:
    best = torch.tensor([[math.log(value) + offset, math.log1p(-value) + offset]], requires_grad=True)
    loss = step_cross_entropy(best, torch.tensor([value]))
    assert loss.item() == pytest.approx(-(value * math.log(value) + (1 - value) * math.log1p(-value)), abs=1e-5)
    (gradient,) = torch.autograd.grad(loss.sum(), best)
    assert gradient.abs().max() < 1e-5


def test_ranking_by_hand() -> None:
    # Start: log(1 + e) = 1.313262; first right step 1.397301; second 1.035747; their mean.
    quality = torch.tensor([0.2, -3.0, 1.0])
    right = torch.tensor([True, False, True])
    assert step_ranking(quality, right, margin=4.0).item() == pytest.approx(1.248770, abs=1e-6)


def test_ranking_of_one_kind() -> None:
    one = step_ranking(torch.tensor([0.7]), torch.tensor([True]))
    assert one.item() == pytest.approx(math.log1p(math.exp(-0.7)), abs=1e-6)
    wrong = step_ranking(torch.tensor([-1.0, 2.0]), torch.zeros(2, dtype=torch.bool), margin=1.0)
    assert wrong.item() == pytest.approx(math.log(1 + 1 + math.exp(3)), abs=1e-6)
    with pytest.raises(ValueError, match="without steps"):
        step_ranking(torch.zeros(0), torch.zeros(0, dtype=torch.bool))


@given(st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=1, max_size=6))
def test_ranking_against_its_definition(steps: list[tuple[float, bool]]) -> None:
    good = [q for q, right in steps if right]
    bad = sum(math.exp(q + 4) for q, right in steps if not right)
    terms = [math.log1p(bad)] if bad else []
    terms += [math.log(1 + sum(map(math.exp, good[: t + 1])) + bad) - q for t, q in enumerate(good)]
    quality = torch.tensor([q for q, _ in steps])
    right = torch.tensor([right for _, right in steps])
    assert step_ranking(quality, right).item() == pytest.approx(sum(terms) / len(terms), abs=1e-4)


def test_ranking_does_not_overflow() -> None:
    quality = torch.tensor([500.0, -900.0, 300.0], requires_grad=True)
    loss = step_ranking(quality, torch.tensor([True, False, True]))
    (gradient,) = torch.autograd.grad(loss, quality)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
