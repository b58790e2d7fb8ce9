import math

import pytest

from forage.evaluation.bootstrap import Interval
from forage.report.text import count, difference, listing, number, percent, points_range, signed_points, verdict

UP, DOWN, LEVEL = Interval(0.162, 0.101, 0.22), Interval(-0.1, -0.18, -0.041), Interval(0.1, -0.1, 0.3)


def test_shares_as_percent_and_points() -> None:
    assert percent(0.1612) == "16.1%"
    assert signed_points(0.162) == "+16.2"
    assert signed_points(-0.05) == "\N{MINUS SIGN}5.0"
    assert [form(math.nan) for form in (percent, signed_points, number)] == ["n/a"] * 3


def test_an_interval_in_points() -> None:
    assert points_range(UP) == "[+10.1, +22.0]"
    assert difference(UP) == "<strong>+16.2</strong> points [+10.1, +22.0]"


@pytest.mark.parametrize(("interval", "word"), [(UP, "higher"), (DOWN, "lower"), (LEVEL, "not distinguishable")])
def test_only_an_interval_without_zero_allows_a_verdict(interval: Interval, word: str) -> None:
    assert verdict(interval) == word


def test_a_difference_that_is_shown_as_nothing_is_none() -> None:
    assert verdict(Interval(2e-8, 1e-8, 3e-8)) == "not distinguishable"
    assert verdict(Interval(6e-4, 5e-4, 7e-4)) == "higher"


def test_counts_and_lists() -> None:
    assert [count(1, "seed"), count(3, "seed"), count(2000, "entry", "entries")] == [
        "1 seed",
        "3 seeds",
        "2,000 entries",
    ]
    assert [listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
