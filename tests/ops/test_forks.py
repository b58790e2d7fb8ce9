"""Where responses are forked, by hand."""

import math

import pytest

from forage.core.errors import ForageError
from forage.ops.forks import by_surprise, fork_chance


def test_the_chance_is_half_and_more_where_entropy_rises() -> None:
    assert fork_chance([1.0, 1.0], [2.0, 3.0], weight=0.2, unit=6.0) == pytest.approx(0.5 + 0.2 * 3 / 6)
    assert fork_chance([2.0, 3.0], [1.0, 1.0], weight=0.2, unit=6.0) == pytest.approx(0.5 - 0.2 * 3 / 6)
    assert fork_chance([1.0, 1.0], [1.0], weight=0.2, unit=1.0) == pytest.approx(0.3), "a sum, not a mean"
    for before, after in (([0.1], [9.0]), ([9.0], [0.1])):
        assert fork_chance(before, after, weight=0) == 0.5
    assert fork_chance([0.0], [99.0], unit=1.0) == 1
    assert fork_chance([99.0], [0.0], unit=1.0) == 0
    assert fork_chance([0.0], [math.nan], base=0.4) == 0.4


def test_surprise_first_and_earlier_first_of_equals() -> None:
    assert by_surprise([-0.5, math.nan, -3.0, -0.5]) == [2, 0, 3, 1]
    assert by_surprise([]) == []


def test_wrong_settings_are_sentences() -> None:
    for wrong in ({"unit": 0.0}, {"base": 2.0}, {"weight": math.inf}):
        with pytest.raises(ForageError, match="chance to fork"):
            fork_chance([1.0], [1.0], **wrong)
