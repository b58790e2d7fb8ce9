"""Weights of tokens: tables worked by hand, and micro-batches that add up."""

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.reductions import fixed_length, kept_denominator, sequence_mean, token_mean

MASK = torch.tensor([[True, True, True, True], [True, False, True, False], [False, False, False, False]])
WEIGHT = torch.tensor([1.0, 3.0, 5.0])


def test_token_mean_by_hand() -> None:
    # Four tokens of weight 1 and two of weight 3: the sum is 10. The sequence without tokens has no part in it.
    weights = token_mean(MASK, WEIGHT)
    torch.testing.assert_close(weights, torch.tensor([[0.1] * 4, [0.3, 0, 0.3, 0], [0.0] * 4]))


def test_sequence_mean_by_hand() -> None:
    # Sequences with tokens weigh 1 + 3 = 4: 1/4 over four tokens, 3/4 over two.
    weights = sequence_mean(MASK, WEIGHT)
    torch.testing.assert_close(weights, torch.tensor([[1 / 16] * 4, [0.375, 0, 0.375, 0], [0.0] * 4]))


def test_fixed_length_by_hand() -> None:
    # All sequences weigh 9, and the constant is 2: 1/18 and 3/18 for every token.
    weights = fixed_length(MASK, WEIGHT, length=2)
    torch.testing.assert_close(weights, torch.tensor([[1 / 18] * 4, [1 / 6, 0, 1 / 6, 0], [0.0] * 4]))


def test_nothing_to_average_over_is_zero_and_not_nan() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    for weights in (token_mean(nothing, torch.ones(2)), sequence_mean(nothing, torch.ones(2))):
        assert weights.tolist() == [[0.0] * 3] * 2


def test_kept_denominator_is_the_mean_over_what_was_kept() -> None:
    mask = torch.ones(2, 3, dtype=torch.bool)
    advantage = torch.tensor([[-1.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
    loss = torch.tensor([[2.0, 4.0, 6.0], [8.0, 8.0, 8.0]])
    scaled = kept_denominator(advantage, mask)
    over_all = (scaled * loss * token_mean(mask, torch.ones(2))).sum()
    assert over_all.item() == pytest.approx(-4.0), "the mean of 2, 4 and 6"
    assert torch.equal(kept_denominator(advantage, mask, share=0.0), advantage)


def test_constants_without_sense_are_refused() -> None:
    with pytest.raises(ForageError, match="at least 1 token"):
        fixed_length(MASK, WEIGHT, length=0)
    with pytest.raises(ForageError, match="share lies between"):
        kept_denominator(torch.ones(3, 4), MASK, share=1.1)
