"""Rewards by remembered responses: a table worked by hand, bounds, and what an empty memory says."""

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.novelty import window_scale
from forage.ops.response_memory import likeness_reward, memory_reward, unlikeness_reward

STORED = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
TOLD = torch.tensor([[0.5, 0.5, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


def test_by_hand() -> None:
    # The mean is (.5, .5, 0): distances 0, sqrt(.01 + .09), sqrt(.25 + .25 + 1), sqrt(.25 + .25).
    wanted = -torch.tensor([0.0, 0.1, 1.5, 0.5], dtype=torch.float64).sqrt()
    torch.testing.assert_close(likeness_reward(TOLD, STORED), wanted, atol=1e-7, rtol=0)
    # The largest cosines are 1 / sqrt 2, .8, 0 and 1.
    wanted = 1 - torch.tensor([0.5**0.5, 0.8, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(unlikeness_reward(TOLD, STORED), wanted, atol=1e-7, rtol=0)
    both = memory_reward(torch.tensor([0.25, 1.0]), torch.tensor([0.5, 0.0]), exploit_weight=2.0, explore_weight=0.5)
    assert both.tolist() == [0.75, 2.0]


def test_what_is_remembered_is_not_new_and_length_does_not_matter() -> None:
    draw = torch.Generator().manual_seed(0)
    stored = torch.randn(7, 5, generator=draw)
    assert unlikeness_reward(stored, stored).max() < 1e-12
    assert unlikeness_reward(3 * stored, stored).max() < 1e-12
    new = torch.randn(50, 5, generator=draw)
    unlike = unlikeness_reward(new, stored)
    assert ((unlike >= 0) & (unlike <= 2)).all()
    more = unlikeness_reward(new, torch.cat([stored, new[:1]]))
    assert (more <= unlike + 1e-12).all(), "more memory never makes anything newer"
    assert (likeness_reward(new, stored) <= 0).all()
    assert likeness_reward(stored.mean(0, keepdim=True), stored).abs().max() < 1e-6


def test_an_empty_memory_says_nothing_and_blank_texts_are_equal() -> None:
    empty = STORED[:0]
    assert likeness_reward(TOLD, empty).isnan().all()
    assert unlikeness_reward(TOLD, empty).isnan().all()
    nothing = torch.full((2,), torch.nan)
    assert memory_reward(nothing, nothing).tolist() == [0, 0]
    blank = torch.zeros(1, 3)
    assert unlikeness_reward(blank, torch.cat([STORED, blank])).tolist() == [0]
    assert unlikeness_reward(blank, STORED).tolist() == [1]
    assert unlikeness_reward(STORED, blank).tolist() == [1, 1]


def test_the_scale_of_a_window() -> None:
    value, earlier = torch.tensor([2.0, torch.nan, 3.0]), torch.tensor([1.0, 5.0])
    scaled = window_scale(value, earlier)
    assert scaled[[0, 2]].tolist() == [0.25, 0.5]
    assert scaled[1].isnan()
    assert window_scale(value, earlier[:0])[[0, 2]].tolist() == [0, 1]
    assert window_scale(value[:1], earlier[:0]).tolist() == [0], (
        "a constant window is 0, not the bare value and not 0/0"
    )
    rounded = torch.tensor([0.5, 0.5 + 1e-7], dtype=torch.float64)
    assert window_scale(rounded, rounded[:0]).tolist() == [0, 1]
    assert window_scale(rounded, rounded[:0], least=1e-6).tolist() == [0, 0]
    draw = torch.Generator().manual_seed(1)
    many = window_scale(torch.randn(40, generator=draw), torch.randn(9, generator=draw))
    assert ((many >= 0) & (many <= 1)).all()


def test_wrong_settings_are_sentences() -> None:
    for weights in ((-1.0, 1.0), (0.0, 0.0), (1.0, float("inf")), (float("nan"), 1.0)):
        with pytest.raises(ForageError, match="not both 0"):
            memory_reward(TOLD[0], TOLD[0], exploit_weight=weights[0], explore_weight=weights[1])
    for rule in (likeness_reward, unlikeness_reward):
        with pytest.raises(ForageError, match="rows of one size"):
            rule(TOLD, STORED[:, :2])
    with pytest.raises(ForageError, match="0 or more"):
        window_scale(TOLD[0], TOLD[0], least=-1.0)
