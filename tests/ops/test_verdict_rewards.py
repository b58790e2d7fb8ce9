import pytest

from forage.core.errors import ForageError
from forage.ops.verdict_rewards import overlong_penalty, restart_bonus, step_reward


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


@pytest.mark.parametrize(
    ("verdict", "matched", "valid", "worth"),
    [(1, 1.0, True, 2.1), (1, 0.0, False, 1.0), (1, 0.5, True, 2.05), (0, 1.0, True, 1.1), (0, 0.0, False, 0.0)],
)
def test_the_published_rewards_for_steps(verdict: int, matched: float, valid: bool, worth: float) -> None:
    assert verdict + step_reward(matched, valid) == pytest.approx(worth)


def test_with_a_valid_form_right_beats_wrong_and_all_lies_in_its_bounds() -> None:
    shares = (0.0, 0.25, 1.0)
    right = [1 + step_reward(share, True) for share in shares]
    wrong = [step_reward(share, valid) for share in shares for valid in (False, True)]
    assert min(right) >= 2 > 1.1 >= max(wrong)
    assert all(0 <= value <= 2.1 for value in right + wrong)
    assert [step_reward(share, False) for share in shares] == sorted(step_reward(share, False) for share in shares)


@pytest.mark.parametrize(("alpha", "validity"), [(-0.1, 1), (0.1, -1), (0, 0), (float("nan"), 1)])
def test_weights_of_steps_are_zero_or_more(alpha: float, validity: float) -> None:
    with pytest.raises(ForageError, match="0 or more"):
        step_reward(0.5, True, alpha=alpha, validity=validity)


def test_a_share_is_a_share() -> None:
    with pytest.raises(ForageError, match="share"):
        step_reward(1.5, True)
