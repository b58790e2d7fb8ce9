import pytest

from forage.core.errors import ForageError
from forage.ops.verdict_rewards import overlong_penalty, restart_bonus


def test_the_penalty_grows_over_the_buffer_and_stays() -> None:
    # limit 100, buffer 20: nothing up to 80, then 1/20 for each token, and -1 from 100 on.
    lengths = (0, 80, 81, 90, 100, 200)
    assert [overlong_penalty(length, limit=100, buffer=20) for length in lengths] == [0, 0, -0.05, -0.5, -1, -1]


@pytest.mark.parametrize(("limit", "buffer"), [(100, 0), (100, 101), (0, 0)])
def test_a_buffer_lies_below_the_limit(limit: int, buffer: int) -> None:
    with pytest.raises(ForageError, match="0 < buffer <= limit"):
        overlong_penalty(1, limit=limit, buffer=buffer)


@pytest.mark.parametrize(
    ("correct", "start", "bonus"),
    [(True, False, 0.3), (False, True, -0.3), (True, True, 0), (False, False, 0), (True, None, 0), (False, None, 0)],
)
def test_only_a_turn_is_paid_for(correct: bool, start: bool | None, bonus: float) -> None:
    assert restart_bonus(correct, start, beta=0.3) == bonus


def test_a_turn_is_worth_zero_or_more() -> None:
    with pytest.raises(ForageError, match="beta"):
        restart_bonus(True, False, beta=-0.1)
