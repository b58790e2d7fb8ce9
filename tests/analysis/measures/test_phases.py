"""The turn of a curve with its uncertainty: found where it is, doubted where it is not."""

import numpy as np
import pytest

from forage.analysis.measures.phases import Phases, find_phases

STEPS = np.arange(0.0, 110, 10)


def draws(curve: np.ndarray, noise: float, *, seed: int = 0) -> np.ndarray:
    return curve[:, None] + noise * np.random.default_rng(seed).normal(size=(len(curve), 300))


FALL = np.log(2.0) - 0.015 * np.minimum(STEPS, 40)
GROWTH = 3.0 + 0.01 * STEPS


def test_two_phases_are_found() -> None:
    found = find_phases(STEPS, draws(FALL, 0.02), draws(GROWTH, 0.05, seed=1))
    assert found is not None
    assert found.two_phases
    assert found.turn == pytest.approx(40, abs=10)
    assert found.turn_low is not None
    assert found.turn_high is not None
    assert found.turn_low <= 40 <= found.turn_high
    assert "Two phases: execution levelled off near step 40" in found.sentence()


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_straight_fall_has_no_level(noise: float) -> None:
    found = find_phases(STEPS, draws(1 - 0.01 * STEPS, noise), draws(GROWTH, 0.05, seed=1))
    assert found is not None
    assert found.falling > 0.5
    assert not found.two_phases


def test_noise_alone_is_no_phase() -> None:
    found = find_phases(STEPS, draws(0 * STEPS, 0.1), draws(0 * STEPS, 0.1, seed=1))
    assert found is not None
    assert not found.two_phases
    assert found.never_fell > 0.2
    assert "No two phases beyond noise" in found.sentence()


def test_a_level_without_growth_is_not_two_phases() -> None:
    found = find_phases(STEPS, draws(FALL, 0.02), draws(3 - 0.01 * STEPS, 0.05, seed=1))
    assert found is not None
    assert found.levelled > 0.95
    assert found.growing == 0
    assert not found.two_phases


def test_shares_add_up_and_bad_draws_stand_aside() -> None:
    execution = draws(FALL, 0.1)
    execution[3, :100] = np.nan
    found = find_phases(STEPS, execution, draws(GROWTH, 0.5, seed=1))
    assert found is not None
    assert found.levelled + found.falling + found.never_fell == pytest.approx(1)
    assert find_phases(STEPS, np.full((11, 5), np.nan), draws(GROWTH, 0.5)[:, :5]) is None


def test_too_few_steps_say_nothing() -> None:
    assert find_phases(STEPS[:4], draws(FALL, 0.1)[:4], draws(GROWTH, 0.1)[:4]) is None


def test_exact_kink_by_hand() -> None:
    # 3 2 1 1 1 at steps 0..4: the fit with its turn at step 2 has no error at all.
    curve = np.array([3.0, 2, 1, 1, 1])[:, None]
    found = find_phases(np.arange(5.0), curve, np.arange(5.0)[:, None])
    assert found == Phases(
        steps=5, levelled=1.0, falling=0.0, never_fell=0.0, turn=2.0, turn_low=2.0, turn_high=2.0, growing=1.0
    )
