"""Preference losses against hand tables, enumeration, and each other."""

import itertools
import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.preferences import bradley_terry_loss, classifier_loss, plackett_luce_loss


def test_bradley_terry_by_hand() -> None:
    # -ln sigma(0) = ln 2; -ln sigma(ln 3) = -ln(3/4); -ln sigma(-ln 3) = -ln(1/4).
    chosen = torch.tensor([1.0, math.log(3), 0.0])
    rejected = torch.tensor([1.0, 0.0, math.log(3)])
    expected = torch.tensor([math.log(2), math.log(4 / 3), math.log(4)])
    assert torch.allclose(bradley_terry_loss(chosen, rejected), expected)


def test_plackett_luce_by_hand() -> None:
    # Strengths 3, 2, 1 ranked in this order: 3/6 * 2/3 * 1 = 1/3.
    reward = torch.tensor([[3.0, 2.0, 1.0]]).log()
    assert plackett_luce_loss(reward, torch.ones(1, 3, dtype=torch.bool)).item() == pytest.approx(math.log(3))


def test_two_responses_are_bradley_terry() -> None:
    reward = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = plackett_luce_loss(reward, torch.ones(50, 2, dtype=torch.bool))
    assert torch.allclose(both, bradley_terry_loss(reward[:, 0], reward[:, 1]))


def test_the_probabilities_of_all_rankings_add_up_to_one() -> None:
    strength = torch.tensor([0.3, -1.2, 2.0, 0.7], dtype=torch.float64)
    rows = torch.stack([strength[list(order)] for order in itertools.permutations(range(4))])
    loss = plackett_luce_loss(rows, torch.ones_like(rows, dtype=torch.bool))
    assert loss.neg().exp().sum().item() == pytest.approx(1.0)


def test_a_shift_changes_nothing_and_great_rewards_do_not_overflow() -> None:
    reward = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    ranked = torch.ones(1, 3, dtype=torch.bool)
    assert torch.allclose(plackett_luce_loss(reward + 700, ranked), plackett_luce_loss(reward, ranked))
    assert bradley_terry_loss(torch.tensor(-1e4), torch.tensor(1e4)).item() == pytest.approx(2e4)


def test_what_stands_behind_a_shorter_ranking_does_not_matter() -> None:
    reward = torch.tensor([[1.0, 0.2, math.nan], [0.3, 0.1, -0.4]], requires_grad=True)
    ranked = torch.tensor([[True, True, False], [True, True, True]])
    loss = plackett_luce_loss(reward, ranked)
    alone = plackett_luce_loss(torch.tensor([[1.0, 0.2]]), torch.ones(1, 2, dtype=torch.bool))
    assert loss[0].item() == pytest.approx(alone.item())
    loss.sum().backward()
    assert reward.grad is not None
    assert reward.grad[0, 2].item() == 0
    assert torch.isfinite(reward.grad).all()
    assert torch.allclose(reward.grad.sum(1), torch.zeros(2), atol=1e-6)  # only differences matter


def test_gaps_and_shapes_are_refused() -> None:
    with pytest.raises(ForageError, match="without a gap"):
        plackett_luce_loss(torch.zeros(1, 3), torch.tensor([[True, False, True]]))
    with pytest.raises(ForageError, match=r"must both be \(N, K\)"):
        plackett_luce_loss(torch.zeros(3), torch.ones(3, dtype=torch.bool))


def test_a_classifier_is_bradley_terry_against_zero() -> None:
    logit = torch.tensor([-300.0, -1.0, 0.0, 2.5], dtype=torch.float64)
    for wanted in (True, False):
        sides = torch.full((4,), wanted)
        zero = torch.zeros_like(logit)
        expected = bradley_terry_loss(logit, zero) if wanted else bradley_terry_loss(zero, logit)
        assert torch.equal(classifier_loss(logit, sides), expected)
    assert classifier_loss(logit[3:], torch.tensor([True])).item() == pytest.approx(-math.log(1 / (1 + math.exp(-2.5))))
    with pytest.raises(ValueError, match="shape"):
        classifier_loss(logit, torch.tensor([True]))
