"""Credit by perplexity and by position, by hand and against its invariants."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.learning_stages import perplexity_scale, perplexity_weight, position_bonus, relative_position

MASK = torch.tensor([[False, True, True], [False, True, False], [False, True, True], [False, True, True]])
LOGPROB = torch.tensor([[9.0, -1.0, -3.0], [9.0, -4.0, 9.0], [9.0, -1.0, -1.0], [9.0, -5.0, -1.0]])
GROUP = torch.tensor([7, 7, 3, 3])


def test_weights_by_hand() -> None:
    # Log-perplexities 2, 4, 1, 3. In a group of two the standardized distances are +-1 / sqrt(2) (one degree less).
    half = 1 / math.sqrt(2)
    in_group = perplexity_weight(LOGPROB, MASK, GROUP, scope="group")
    torch.testing.assert_close(in_group, torch.tensor([-half, half, -half, half]).double(), rtol=1e-5, atol=1e-5)
    # In the batch: mean 2.5, variance 5 / 3.
    in_batch = perplexity_weight(LOGPROB, MASK, GROUP, scope="batch")
    wanted = torch.tensor([-0.5, 1.5, -1.5, 0.5]).double() / math.sqrt(5 / 3)
    torch.testing.assert_close(in_batch, wanted, rtol=1e-5, atol=1e-5)


def test_alone_or_without_a_token_the_weight_is_zero() -> None:
    assert perplexity_weight(LOGPROB[:1], MASK[:1], GROUP[:1], scope="group").tolist() == [0]
    empty = MASK.clone()
    empty[0] = False
    weight = perplexity_weight(LOGPROB, empty, GROUP, scope="group")
    assert weight[:2].tolist() == [0, 0]  # the one that has a token is alone now
    equal = perplexity_weight(torch.full_like(LOGPROB, -0.1), MASK, GROUP, scope="batch")
    assert equal.tolist() == [0, 0, 0, 0]


def test_scale_by_hand() -> None:
    advantage, weight = torch.tensor([2.0, -2.0, 0.0]), torch.tensor([1.0, -1.0, 3.0])
    assert perplexity_scale(advantage, weight, alpha=0.25).tolist() == [1.5, -2.5, 0]
    assert torch.equal(perplexity_scale(advantage, weight, alpha=0.0), advantage)


def test_lower_perplexity_gets_the_larger_advantage() -> None:
    weight = torch.tensor([-1.2, -0.1, 0.3, 2.0])
    for sign in (1.0, -1.0):
        size = perplexity_scale(torch.full((4,), sign), weight, alpha=0.2).abs()
        assert (size.diff() < 0).all()


def test_a_sign_that_would_turn_is_refused() -> None:
    weight = torch.tensor([4.0, -4.0])
    kept = perplexity_scale(torch.tensor([1.0, -1.0]), weight, alpha=0.24)
    assert kept.sign().tolist() == [1, -1]
    with pytest.raises(ForageError, match="smaller alpha"):
        perplexity_scale(torch.tensor([1.0, -1.0]), weight, alpha=0.25)
    assert perplexity_scale(torch.tensor([0.0, 1.0]), weight, alpha=0.25).tolist() == [0, 2]  # nothing there to turn
    for alpha in (-0.1, math.nan):
        with pytest.raises(ForageError, match="alpha"):
            perplexity_scale(torch.ones(2), weight, alpha=alpha)
    with pytest.raises(ForageError, match="group"):
        perplexity_weight(LOGPROB, MASK, GROUP, scope="rows")  # pyright: ignore[reportArgumentType]


def test_positions_run_from_zero_to_one() -> None:
    mask = torch.tensor([[False, True, False, True, True], [False, False, True, False, False]])
    assert relative_position(mask).tolist() == [[0, 0, 0, 0.5, 1], [0, 0, 0, 0, 0]]


def test_bonus_by_hand() -> None:
    # sigmoid(10 (l - .5)) at l = 0, .5, 1: .0066929, .5, .9933071.
    position = torch.tensor([0.0, 0.5, 1.0])
    for sign in (1.0, -1.0):
        shaped = position_bonus(torch.full((3,), sign), position, gamma=0.1, slope=10, middle=0.5)
        torch.testing.assert_close(shaped, sign * torch.tensor([1.00066929, 1.05, 1.09933071]))


def test_the_bonus_keeps_signs_zeros_and_its_bound() -> None:
    draw = torch.Generator().manual_seed(0)
    advantage, position = torch.randn(500, generator=draw), torch.rand(500, generator=draw)
    advantage[:50] = 0
    shaped = position_bonus(advantage, position, gamma=5.0, slope=7, middle=0.3)
    assert torch.equal(shaped.sign(), advantage.sign())
    grown = shaped.abs() - advantage.abs()
    assert (grown >= 0).all() and (grown <= 5).all()  # noqa: PT018
    assert torch.equal(position_bonus(advantage, position, gamma=0.0, slope=7, middle=0.3), advantage)
    mirrored = position_bonus(advantage, 1 - position, gamma=5.0, slope=-7, middle=0.7)
    torch.testing.assert_close(mirrored, shaped)


@pytest.mark.parametrize("settings", [{"gamma": -1.0}, {"slope": math.nan}, {"middle": math.inf}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ForageError, match=next(iter(settings))):
        position_bonus(torch.ones(1), torch.ones(1), **{"gamma": 0.1, "slope": 1.0, "middle": 0.5} | settings)
