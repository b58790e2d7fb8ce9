"""The bonus for rare answers: golden values, and what compares siblings."""

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.visits import visit_bonus

ONE = torch.zeros(4, dtype=torch.int64)


def test_golden_values() -> None:
    bonus = 0.2 * visit_bonus(torch.tensor([1.0, 4, 9, 100]).double(), ONE, rule="con", constant=0.5)
    assert bonus.tolist() == pytest.approx([0.1, 0, -1 / 30, -0.08], abs=1e-12)
    unmet = visit_bonus(torch.tensor([0.0, 1, 1, 1]), ONE, constant=1.0)
    assert (unmet == 0).all(), "an answer that was never met is worth as much as one that was met once"


def test_siblings_compete_under_mean_and_those_without_an_answer_take_no_part() -> None:
    visits, nan = torch.tensor([1.0, 4, torch.nan, 4]).double(), torch.nan
    bonus = visit_bonus(visits, ONE, rule="mean")
    assert bonus.tolist() == pytest.approx([0.5, -0.25, 0, -0.25])
    pairs = visit_bonus(torch.tensor([1.0, 4, nan, 100]), torch.tensor([0, 0, 1, 1]), rule="mean")
    assert pairs.tolist() == pytest.approx([0.5, -0.5, 0, 0])
    assert (visit_bonus(torch.full((4,), 7.0), ONE, rule="mean") == 0).all()


def test_wrong_settings_are_sentences() -> None:
    with pytest.raises(ForageError, match="rare answers"):
        visit_bonus(torch.ones(4), ONE, rule="batch")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="constant"):
        visit_bonus(torch.ones(4), ONE, constant=2.0)
    with pytest.raises(ValueError, match="shape"):
        visit_bonus(torch.ones(3), ONE)
