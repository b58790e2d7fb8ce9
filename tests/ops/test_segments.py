import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.segments import centre, group_advantage, leave_one_out, scale_by_std

NAN = math.nan


def ids(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def test_two_groups_by_hand() -> None:
    # Group 7: (1 + 0 + 0 + 1) / 4 = .5. Group 2: the NaN is no member, (3 + 1) / 2 = 2.
    reward = torch.tensor([1.0, 3.0, 0.0, NAN, 0.0, 1.0, 1.0])
    group = ids(7, 2, 7, 2, 7, 2, 7)
    centered = centre(reward, group)
    assert centered[[0, 1, 2, 4, 5, 6]].tolist() == [0.5, 1.0, -0.5, -0.5, -1.0, 0.5]
    assert centered[3].isnan()


def test_leave_one_out_by_hand() -> None:
    # 1 - (0 + 2) / 2 = 0;  0 - (1 + 2) / 2 = -1.5;  2 - (1 + 0) / 2 = 1.5
    assert leave_one_out(torch.tensor([1.0, 0.0, 2.0]), ids(0, 0, 0)).tolist() == [0, -1.5, 1.5]


def test_one_right_answer_of_eight() -> None:
    # Centered .875 and -.125. Variance: (.875^2 + 7 * .125^2) = .875, over 7 = .125 (sample), over 8 (population).
    # .875 / sqrt(.125) = 2.4749, -.125 / sqrt(.125) = -.35355; population: 2.6458, -.37796.
    reward, group = torch.tensor([1.0] + [0.0] * 7), torch.zeros(8, dtype=torch.int64)
    sample = group_advantage(reward, group, scale="std")
    population = group_advantage(reward, group, scale="std", ddof=0)
    assert sample[:2].tolist() == pytest.approx([2.4749, -0.35355], rel=1e-4)
    assert population[:2].tolist() == pytest.approx([2.6458, -0.37796], rel=1e-4)


@given(st.floats(-1e6, 1e6, width=32), st.integers(1, 20))
def test_equal_rewards_give_exactly_zero(value: float, group_size: int) -> None:
    # 0.1 summed ten times is not 1 in binary: the residue over a tiny deviation must not become an advantage.
    reward, group = torch.full((group_size,), value), torch.zeros(group_size, dtype=torch.int64)
    for function in (centre, leave_one_out, scale_by_std, group_advantage):
        assert (function(reward, group) == 0).all(), function.__name__


def test_a_small_variance_is_not_shrunk_away() -> None:
    # A deviation of 1e-3 is a thousand times eps: 1 / (1 + 1e-6 / std).
    reward = torch.tensor([0.500, 0.501, 0.502], dtype=torch.float64)
    advantage = group_advantage(reward, ids(0, 0, 0), scale="std")
    assert advantage.tolist() == pytest.approx([-1, 0, 1], abs=2e-3)


def test_unjudged_responses_get_nothing_and_siblings_do_not_see_them() -> None:
    reward = torch.tensor([1.0, NAN, 0.0, 1.0, 0.0])
    with_nan = group_advantage(reward, ids(0, 0, 0, 1, 1), scale="std")
    without = group_advantage(reward[[0, 2]], ids(0, 0), scale="std")
    assert with_nan[1] == 0
    assert with_nan[[0, 2]].tolist() == without.tolist()


def test_a_group_of_one_and_a_group_of_nans() -> None:
    assert group_advantage(torch.tensor([5.0, NAN, NAN]), ids(0, 1, 1)).tolist() == [0, 0, 0]


def test_a_large_common_offset_costs_no_precision() -> None:
    reward = torch.tensor([1e9 + 1, 1e9, 1e9 + 1, 1e9], dtype=torch.float64)
    assert centre(reward, ids(0, 0, 0, 0)).tolist() == [0.5, -0.5, 0.5, -0.5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(dtype: torch.dtype) -> None:
    reward = torch.tensor([1.0, 0.0], dtype=dtype)
    for function in (centre, leave_one_out, scale_by_std, group_advantage):
        assert function(reward, ids(0, 0)).dtype == dtype


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=12), st.integers(0, 5))
def test_leave_one_out_against_its_definition(values: list[int], salt: int) -> None:
    reward = torch.tensor(values, dtype=torch.float64)
    group = torch.tensor([(i + salt) % 2 for i in range(len(values))])
    for i, result in enumerate(leave_one_out(reward, group).tolist()):
        others = [values[j] for j in range(len(values)) if j != i and group[j] == group[i]]
        assert result == pytest.approx(values[i] - sum(others) / len(others) if others else 0, abs=1e-12)


def test_wrong_settings_are_explained() -> None:
    reward, group = torch.zeros(2), ids(0, 0)
    with pytest.raises(ForageError, match="ddof"):
        scale_by_std(reward, group, ddof=2)
    with pytest.raises(ForageError, match="eps"):
        scale_by_std(reward, group, eps=-1.0)
    with pytest.raises(ForageError, match="scale"):
        group_advantage(reward, group, scale="both")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="group has shape"):
        centre(reward, ids(0))
