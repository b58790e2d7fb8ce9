"""Episodes with a bandit, worked by hand."""

import random

import pytest

from forage.core.errors import ForageError
from forage.ops.bandits import episode_score, shares_of_choices

MEANS = {"a": 0.2, "b": 0.8, "c": 0.5}


def test_scores_by_hand() -> None:
    assert episode_score(["b"] * 4, MEANS, pulls=4) == pytest.approx(1)
    assert episode_score(["a"] * 4, MEANS, pulls=4) == 0
    assert episode_score(["a", "c", "b", "b"], MEANS, pulls=4) == pytest.approx((0 + 0.5 + 1 + 1) / 4)
    assert episode_score(["b"], MEANS, pulls=4) == pytest.approx(0.25), "pulls that were not made are worth nothing"
    assert episode_score(["b", None], MEANS, pulls=2) == pytest.approx((1 - 5) / 2)
    assert episode_score(["b", None], MEANS, pulls=2, penalty=0) == pytest.approx(0.5)
    for chosen, means, penalty in ((["b"] * 3, MEANS, 0), (["a"], {"a": 0.5, "b": 0.5}, 0), (["a"], MEANS, -1)):
        with pytest.raises(ForageError, match="penalty"):
            episode_score(chosen, means, pulls=2, penalty=penalty)


def test_shares_by_hand() -> None:
    # a pays once and then not, b pays: before turn 3 a leads by 1/2 and was taken most often, before turn 4 b leads.
    found = shares_of_choices(["a", "a", "b", "a", "b"], [1.0, 0.0, 1.0, 0.0], MEANS)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["optimal"] == pytest.approx(2 / 5), "b is best, whatever was seen of it"
    assert found["greedy"] == pytest.approx(1 / 5), "a, when it had paid"
    assert found["other"] == pytest.approx(2 / 5), "a, when nothing was known, and when b had paid more"
    assert found["frequency"] == pytest.approx(1 / 2), "of the two turns in which a was usual and b led, one takes a"
    assert shares_of_choices([], [], MEANS) == {"coverage": 0}
    assert shares_of_choices([None, "b"], [None, 1.0], MEANS)["other"] == 0.5


def test_shares_sum_to_one_and_coverage_never_falls() -> None:
    draw = random.Random(0)
    for _ in range(200):
        chosen = [draw.choice([*MEANS, None]) for _ in range(draw.randint(1, 9))]
        rewards = [None if arm is None else float(draw.random() < 0.5) for arm in chosen]
        coverage = 0.0
        for size in range(1, len(chosen) + 1):
            found = shares_of_choices(chosen[:size], rewards[: size - 1], MEANS)
            assert found["optimal"] + found["greedy"] + found["other"] == pytest.approx(1)
            assert coverage <= found["coverage"] <= 1
            coverage = found["coverage"]
            assert (coverage == 1) == (set(MEANS) <= set(chosen[:size]))
            assert 0 <= episode_score(chosen[:size], MEANS, pulls=9, penalty=0) <= 1
