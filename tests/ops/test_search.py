import math

import pytest

from forage.core.errors import ForageError
from forage.ops.search import puct, step_prior


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
