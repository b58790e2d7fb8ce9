import math

import numpy as np
import pytest

from forage.analysis.measures.trends import change_in_errors, column


def test_a_column_has_nan_where_nothing_finite_was_recorded() -> None:
    values = column([{"a": 1.0}, {}, {"a": math.inf}, {"a": 2.0}], "a")
    np.testing.assert_array_equal(values, [1.0, np.nan, np.nan, 2.0])


def test_noise_by_hand() -> None:
    # Steps of +2 and -2: a noise of sqrt(4 / 2) = sqrt 2. The mean over 4 steps then errs by sqrt 2 * sqrt(2 / 4) = 1.
    values = np.array([0.0, 2.0, 0.0, 2.0, 0.0])
    assert change_in_errors(-3.0, values, 4) == pytest.approx(3.0)


def test_a_trend_counts_less_than_jumps_of_its_size() -> None:
    trend, jumps = np.arange(9.0), np.array([0.0, 8.0] * 4)
    assert change_in_errors(8.0, trend, 2) > 5 * change_in_errors(8.0, jumps, 2)


def test_without_noise_any_change_is_clear() -> None:
    assert change_in_errors(0.1, np.ones(5), 2) == math.inf
    assert change_in_errors(0.0, np.ones(5), 2) == 0
    assert change_in_errors(0.1, np.array([np.nan, 1.0]), 2) == math.inf
