import math

import pytest

from forage.core.errors import ForageError
from forage.ops.search import backed_up_value, puct, self_evaluated, step_prior, step_quality, uct


def test_puct_by_hand() -> None:
    # 0.2 + 2 * 0.5 * sqrt(9) / (1 + 2) = 1.2
    assert puct(0.2, 0.5, 2, 9, exploration=2.0) == pytest.approx(1.2)
    assert puct(0.7, 0.5, 3, 0) == 0.7, "nobody has been at the state before it"


def test_what_is_tried_less_is_more_attractive() -> None:
    scores = [puct(0.5, 0.5, visits, 16) for visits in range(4)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_a_prior_is_a_product_with_a_penalty_for_length() -> None:
    # Two tokens of probability 1/4: exp(2 log(1/4) / 2^1.25)
    assert step_prior([math.log(0.25)] * 2) == pytest.approx(0.25 ** (2 / 2**1.25))
    assert step_prior([math.log(0.25)]) == pytest.approx(0.25)


@pytest.mark.parametrize("counts", [(-1, 0), (0, -1)])
def test_counts_below_zero_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ForageError, match="Visits are counts"):
        puct(0.0, 1.0, *counts)


def test_a_step_without_tokens_is_refused() -> None:
    with pytest.raises(ForageError, match="at least one token"):
        step_prior([])


def test_self_evaluation_by_hand() -> None:
    assert self_evaluated(1.0, 0.6, weight=0.0) == 1.0
    assert self_evaluated(0.0, 0.6, weight=1.0) == 0.6
    assert self_evaluated(1.0, 0.2, weight=0.25) == pytest.approx(0.8)  # 0.75 + 0.05
    assert self_evaluated(0.5, math.nan, weight=1.0) == 0.5, "a sampler that cannot tell leaves the verdict"
    with pytest.raises(ForageError, match="weight of the self-evaluation"):
        self_evaluated(1.0, 0.5, weight=1.5)


def test_a_backup_by_hand() -> None:
    # Children of Q 1 (3 visits), 0 (none, so once) and -1/2 (2 visits): (3 + 0 - 1) / 6 = 1/3.
    assert backed_up_value([1.0, 0.0, -0.5], [3, 0, 2]) == pytest.approx(1 / 3)
    assert backed_up_value([], []) == 0
    # r = 3/4 - 1/4, and half of what is expected behind it.
    assert step_quality(0.75, 0.25, 1 / 3, discount=0.5) == pytest.approx(0.5 + 1 / 6)
    with pytest.raises(ForageError, match="Visits are counts"):
        backed_up_value([1.0], [-1])


def test_qualities_without_a_discount_telescope_to_the_values_below() -> None:
    """The quality of a step is the mean value of the deepest states below it, less the value of its parent."""
    below = [0.2, 0.9]
    inner = backed_up_value([step_quality(each, 0.5, 0.0) for each in below], [1, 1])
    assert step_quality(0.5, 0.1, inner) == pytest.approx(sum(below) / 2 - 0.1)


def test_uct_against_a_table() -> None:
    """Three steps behind a state with 14 visits, ln 14 = 2.6391; the choice turns with the weight of exploration."""
    steps = {"a": (2.0, 4), "b": (1.5, 1), "c": (3.0, 9)}
    wanted = {
        0.0: {"a": 2.0, "b": 1.5, "c": 3.0},
        1.0: {"a": 2.8123, "b": 3.1245, "c": 3.5415},  # b: 1.5 + sqrt(2.6391 / 1)
        3.0: {"a": 4.4368, "b": 6.3736, "c": 4.6245},
    }
    for exploration, table in wanted.items():
        found = {name: uct(value, visits, 14, exploration=exploration) for name, (value, visits) in steps.items()}
        assert found == pytest.approx(table, abs=2e-4)
    choices = [max(table, key=lambda name, table=table: table[name]) for table in wanted.values()]
    assert choices == ["c", "c", "b"]
    assert uct(0.0, 0, 14, exploration=0.0) == math.inf, "what was never tried comes first"


@pytest.mark.parametrize("counts", [(-1, 1), (1, 0)])
def test_uct_refuses_impossible_counts(counts: tuple[int, int]) -> None:
    with pytest.raises(ForageError, match="Visits are counts"):
        uct(0.0, *counts)
