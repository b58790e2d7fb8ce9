"""Means and paired differences of a few seeds, against tables and hand-worked numbers."""

import math

import pytest

from forage.bench.by_seed import gap_table, level_table, t95, t_interval

NUMBERS = {
    ("base", 0): {"pass@1": 0.25},
    ("base", 1): {"pass@1": 0.25},
    ("arm", 0): {"pass@1": 0.5, "PCMD": 0.75},
    ("arm", 1): {"pass@1": 0.625},
    ("control", 1): {"pass@1": 0.5, "PCMD": 0.5},
}


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (9, 2.262), (10, 2.228), (15, 2.131), (30, 2.042), (120, 1.980)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert t95(freedom) == pytest.approx(quantile, abs=6e-4)


def test_an_interval_by_hand() -> None:
    """1, 2 and 6: mean 3, standard deviation sqrt(7), so 3 -+ 4.303 sqrt(7/3)."""
    assert t_interval([1, 2, 6]) == pytest.approx((3, 3 - 4.303 * math.sqrt(7 / 3), 3 + 4.303 * math.sqrt(7 / 3)))
    with pytest.raises(ValueError, match="two numbers"):
        t_interval([1])


def test_levels_are_means_over_the_seeds_that_know_them() -> None:
    table = level_table(NUMBERS, ("pass@1", "PCMD"))
    assert table.columns == ("arm", "pass@1", "PCMD", "seeds")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["base", "0.250 (±0.000)", "n/a", "2"],
        ["arm", "0.562 (±0.088)", "0.750", "2"],
        ["control", "0.500", "0.500", "1"],
    ]


def test_gaps_are_of_the_seeds_that_both_arms_have() -> None:
    table = gap_table(NUMBERS, [("arm", "base"), ("arm", "control"), ("arm", "absent")], ("pass@1", "PCMD"))
    first, second = table.rows
    half = 12.706 * 0.125 / 2
    assert (first[1].value, first[1].low, first[1].high) == pytest.approx((0.3125, 0.3125 - half, 0.3125 + half))
    assert not first[1].marked
    assert [cell.text for cell in first[2:]] == ["n/a", "2"]
    assert [cell.text for cell in second] == ["arm minus control", "+0.125", "n/a", "1"]


def test_what_leaves_out_zero_is_marked() -> None:
    numbers = {(arm, seed): {"x": seed / 100 + (arm == "one")} for arm in ("one", "other") for seed in range(3)}
    assert gap_table(numbers, [("one", "other")], ("x",)).rows[0][1].marked
