"""Labels of pairs: the loss's symmetries, and strengths against a grid, a closed form and the truth."""

import math
from itertools import combinations

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.pair_labels import bradley_terry_strengths, pair_label_loss
from forage.ops.preferences import bradley_terry_loss

DRAW = torch.Generator().manual_seed(0)
FIRST, SECOND, LABEL = (
    torch.rand(3, 40, generator=DRAW, dtype=torch.float64) * torch.tensor([[4.0], [4.0], [1.0]])
).unbind()


def pairs_of(count: int) -> tuple[Tensor, Tensor]:
    first, second = torch.tensor(list(combinations(range(count), 2))).unbind(1)
    return first, second


def test_swapping_a_pair_and_its_label_changes_nothing() -> None:
    swapped = pair_label_loss(SECOND, FIRST, 1 - LABEL)
    torch.testing.assert_close(pair_label_loss(FIRST, SECOND, LABEL), swapped, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(pair_label_loss(SECOND, FIRST, LABEL), swapped)
    one, other = pairs_of(5)
    label = LABEL[:10]
    torch.testing.assert_close(
        bradley_terry_strengths(one, other, label, responses=5),
        bradley_terry_strengths(other, one, 1 - label, responses=5),
        rtol=0,
        atol=1e-9,
    )


def test_certain_labels_are_the_bradley_terry_loss() -> None:
    torch.testing.assert_close(pair_label_loss(FIRST, SECOND, torch.ones(40)), bradley_terry_loss(FIRST, SECOND))
    torch.testing.assert_close(pair_label_loss(FIRST, SECOND, torch.zeros(40)), bradley_terry_loss(SECOND, FIRST))


def test_a_tie_pulls_equal_scores_nowhere_and_unequal_ones_together() -> None:
    reward = torch.tensor([0.7, 0.7, 2.0, 1.0], dtype=torch.float64, requires_grad=True)
    pair_label_loss(reward[[0, 2]], reward[[1, 3]], torch.tensor([0.5, 0.5])).sum().backward()
    assert reward.grad is not None
    assert reward.grad[:2].tolist() == [0, 0]
    assert reward.grad[2] == -reward.grad[3] > 0
    first, second = pairs_of(4)
    ties = bradley_terry_strengths(first, second, torch.full((6,), 0.5), responses=4)
    assert ties.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("prior", [0.1, 1.0, 10.0])
def test_two_responses_by_their_equation(prior: float) -> None:
    """s = -s': the gradient is sigma(2 s) - p + prior s = 0, solved here by halving."""
    for label in (0.0, 0.2, 0.5, 0.9, 1.0):
        low, high = -20.0, 20.0
        for _ in range(200):
            middle = (low + high) / 2
            above = 1 / (1 + math.exp(-2 * middle)) - label + prior * middle > 0
            low, high = (low, middle) if above else (middle, high)
        found = bradley_terry_strengths(
            torch.tensor([0]), torch.tensor([1]), torch.tensor([label], dtype=torch.float64), responses=2, prior=prior
        )
        assert found.tolist() == pytest.approx([low, -low], abs=1e-9)


def test_it_is_the_minimum_and_a_perfect_judge_orders_as_the_truth() -> None:
    truth = torch.tensor([0.3, -1.0, 2.0, 2.0, 0.0, 5.0])
    first, second = pairs_of(6)
    label = (1 + torch.sign(truth[first] - truth[second])) / 2
    for prior in (1e-3, 1.0):
        found = bradley_terry_strengths(first, second, label, responses=6, prior=prior)
        assert found.isfinite().all()
        assert abs(float(found.sum())) < 1e-8
        assert torch.equal(
            torch.sign(found[first] - found[second]).where(label != 0.5, torch.zeros(())), 2 * label.double() - 1
        )
        assert found[2] == pytest.approx(float(found[3]), abs=1e-9)

        def objective(strength: Tensor, prior: float = prior) -> Tensor:
            rewards = pair_label_loss(strength[first], strength[second], label.double()).sum()
            return rewards + prior / 2 * strength.square().sum()

        here = objective(found)
        draw = torch.Generator().manual_seed(1)
        for size in (1e-3, 0.1, 1.0):
            for _ in range(20):
                assert objective(found + size * torch.randn(6, generator=draw, dtype=torch.float64)) > here


def test_what_was_never_compared_stands_at_0_and_many_comparisons_beat_the_prior() -> None:
    zero, one = torch.zeros(200, dtype=torch.int64), torch.ones(200, dtype=torch.int64)
    found = bradley_terry_strengths(zero, one, torch.full((200,), 0.8, dtype=torch.float64), responses=3)
    assert found[2] == 0
    assert torch.sigmoid(found[0] - found[1]).item() == pytest.approx(0.8, abs=0.01)
    nothing = torch.zeros(0, dtype=torch.int64)
    assert bradley_terry_strengths(nothing, nothing, torch.zeros(0), responses=2).tolist() == [0, 0]
    assert bradley_terry_strengths(nothing, nothing, torch.zeros(0), responses=0).tolist() == []


def test_wrong_input_is_a_sentence() -> None:
    first, second = pairs_of(3)
    for label in (torch.tensor([1.0, 0.0, 1.5]), torch.tensor([1.0, math.nan, 1.0])):
        with pytest.raises(ForageError, match="from 0 to 1"):
            bradley_terry_strengths(first, second, label, responses=3)
        with pytest.raises(ForageError, match="from 0 to 1"):
            pair_label_loss(first.double(), second.double(), label)
    label = torch.ones(3)
    for prior in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ForageError, match="above 0"):
            bradley_terry_strengths(first, second, label, responses=3, prior=prior)
    with pytest.raises(ForageError, match="0 to 1"):
        bradley_terry_strengths(first, second, label, responses=2)
    with pytest.raises(ForageError, match="with itself"):
        bradley_terry_strengths(first, first, label, responses=3)
    with pytest.raises(ValueError, match="shape"):
        pair_label_loss(FIRST, SECOND[:3], LABEL)
