"""The controller's arithmetic: tables by hand, its bounds, and one action for every quadrant."""

import itertools
import math
import random
from collections import Counter

import pytest

from forage.core.errors import ForageError
from forage.ops.reasoning_control import chosen_uncertainty, noisy_action, reasoning_action, step_uncertainty


def test_uncertainty_of_the_vocabulary_by_hand() -> None:
    # Entropies 1, 2, 3: mean 2, variance (1 + 0 + 1) / 3.
    assert step_uncertainty([1.0, 2.0, 3.0]) == (2.0, pytest.approx(2 / 3))
    assert step_uncertainty([1.0, math.nan, 3.0]) == (2.0, 1.0)
    assert all(math.isnan(each) for each in step_uncertainty([math.nan]))
    assert all(math.isnan(each) for each in step_uncertainty([]))


def test_uncertainty_of_the_chosen_tokens_by_hand() -> None:
    # Scores ln 3 and 0: p = 3/4 and 1/4; terms 3/4 log2(4/3) = .311278 and 1/4 log2 4 = .5; log2 2 = 1.
    entropy, variance = chosen_uncertainty([math.log(3), 0.0])
    assert entropy == pytest.approx(0.311278 + 0.5, abs=1e-6)
    assert variance == pytest.approx(((0.5 - 0.311278) / 2) ** 2, abs=1e-6)
    assert chosen_uncertainty([-1.5] * 7) == (pytest.approx(1.0), pytest.approx(0.0))
    assert chosen_uncertainty([4.0]) == (0.0, 0.0), "log 1 = 0 is guarded"
    assert all(math.isnan(each) for each in chosen_uncertainty([math.nan]))


def test_the_entropy_of_chosen_tokens_is_normalized() -> None:
    draw = random.Random(0)
    for _ in range(200):
        scores = [draw.gauss(0, 8) for _ in range(draw.randrange(1, 9))]
        entropy, variance = chosen_uncertainty(scores)
        assert 0 <= entropy <= 1
        assert variance >= 0
        shifted, _ = chosen_uncertainty([each + 100 for each in scores])
        assert shifted == pytest.approx(entropy), "log-probabilities that differ by a constant are the same"


def test_every_quadrant_has_one_action_and_no_change_is_no_rise() -> None:
    table = {(-1, -1): "deepen", (1, -1): "deepen", (-1, 1): "branch", (1, 1): "stop"}
    assert {signs: reasoning_action(*signs) for signs in table} == table
    assert reasoning_action(0, 1) == "branch"
    assert reasoning_action(1, 0) == "deepen"
    for change in itertools.product([math.nan, 1.0], repeat=2):
        assert reasoning_action(*change) == ("stop" if change == (1.0, 1.0) else "deepen")


def test_noise_takes_each_of_the_others_alike() -> None:
    draw = random.Random(0)
    for action in ("deepen", "branch", "stop"):
        found = Counter(noisy_action(action, draw.random(), epsilon=0.25) for _ in range(8000))
        assert found.pop(action) / 8000 == pytest.approx(0.75, abs=0.02)
        assert [count / 8000 for count in found.values()] == pytest.approx([0.125, 0.125], abs=0.015)
        assert {noisy_action(action, draw.random(), epsilon=0.0) for _ in range(100)} == {action}
        assert action not in {noisy_action(action, draw.random(), epsilon=1.0) for _ in range(100)}


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, math.nan])
def test_a_share_out_of_range_is_a_sentence(epsilon: float) -> None:
    with pytest.raises(ForageError, match="taken at random"):
        noisy_action("stop", 0.5, epsilon=epsilon)
