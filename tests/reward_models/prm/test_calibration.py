import math

import numpy as np
import pytest

from forage.core.errors import ForageError
from forage.reward_models.prm.calibration import calibrate, first_error, locate_errors


def test_by_hand() -> None:
    found = calibrate(np.array([0.05, 0.95, 0.95, 0.45]), np.array([0.0, 1.0, 0.0, 0.5]))
    assert found.brier == pytest.approx((0.0025 + 0.0025 + 0.9025 + 0.0025) / 4)
    # Bins: .05 against 0, .45 against .5, and two at .95 against .5.
    assert found.ece == pytest.approx((0.05 + 0.05 + 2 * 0.45) / 4)
    assert found.accuracy == 0.5
    assert [steps for _, _, steps in found.curve] == [1, 1, 2]


def test_a_perfect_forecaster() -> None:
    labels = np.array([0.0, 1.0, 1.0])
    assert (calibrate(labels, labels).brier, calibrate(labels, labels).ece) == (0, 0)


def test_first_error() -> None:
    assert first_error([0.9, 0.4, 0.1]) == 1
    assert first_error([0.9, 0.5]) == 2


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ForageError, match="label for every prediction"):
        calibrate(np.array([]), np.array([]))


def test_located_errors_by_hand() -> None:
    # First errors by label: 1, 0, none, none, none (a step without a label is none). By score: 1, 1, none, 0, none.
    labels = [[1.0, 0.0, 0.0], [0.2, 0.1], [1.0, 0.6], [0.9], [math.nan, 1.0]]
    scores = [[0.8, 0.3, 0.9], [0.7, 0.1], [0.9, 0.5], [0.1], [0.6, 0.7]]
    found = locate_errors(scores, labels)
    assert (found.wrong, found.clean, found.located) == (2, 3, 0.5)
    assert found.accepted == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert found.exact == pytest.approx(3 / 5)
    only_clean = locate_errors([[0.9]], [[1.0]])
    assert math.isnan(only_clean.located)
    assert only_clean.exact == 1
    with pytest.raises(ForageError, match="Locating errors"):
        locate_errors([], [])
