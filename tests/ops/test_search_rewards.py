"""F1 of words against a table worked by hand, and the two rewards for searching."""

import random

import pytest

from forage.core.errors import ForageError
from forage.ops.search_rewards import retrieval_reward, search_answer_reward, search_call_reward, word_f1


@pytest.mark.parametrize(
    ("answer", "wanted", "f1"),
    [
        ("a b c", "a b c", 1.0),
        ("c a b", "a b c", 1.0),  # bags have no order
        ("a b", "a b c d", 2 * 1 * 0.5 / 1.5),  # precision 1, recall 1/2
        ("a x y z", "a b", 2 * 0.25 * 0.5 / 0.75),
        ("a a a", "a", 0.5),  # one of three, one of one
        ("a a", "a a b", 2 * 1 * (2 / 3) / (5 / 3)),
        ("x", "a", 0.0),
        ("", "a", 0.0),
        ("a", "", 0.0),
        ("", "", 1.0),
    ],
)
def test_f1_by_hand(answer: str, wanted: str, f1: float) -> None:
    assert word_f1(answer.split(), wanted.split()) == pytest.approx(f1)


def test_f1_is_symmetric_bounded_and_1_for_equal_bags_alone() -> None:
    draw = random.Random(0)
    for _ in range(1000):
        one, other = (draw.choices("abcd", k=draw.randint(0, 5)) for _ in "12")
        f1 = word_f1(one, other)
        assert f1 == word_f1(other, one)
        assert 0 <= f1 <= 1
        assert (f1 == 1) == (sorted(one) == sorted(other))


def test_the_stages_by_hand() -> None:
    assert [search_call_reward(n, formed) for n in (0, 1, 5) for formed in (False, True)] == [0, 0.5, 0.5, 1, 0.5, 1]
    assert search_call_reward(2, True, retrieval=0, form=0.3) == 0.3
    assert [search_answer_reward(f1, formed) for f1 in (0.0, 0.5) for formed in (True, False)] == [0, -2, 0.5, -1.5]
    assert search_answer_reward(1.0, False, penalty=1) == 0, "as a released script has it"


@pytest.mark.parametrize("weights", [{"retrieval": -1}, {"retrieval": 0, "form": 0}, {"form": float("inf")}])
def test_weights_out_of_range(weights: dict[str, float]) -> None:
    with pytest.raises(ForageError, match="not both 0"):
        search_call_reward(1, True, **weights)
    with pytest.raises(ForageError, match="0 or more"):
        search_answer_reward(1, True, penalty=-0.1)


def test_a_step_is_worth_nothing_where_its_question_does_not_fit() -> None:
    table = {(consistent, support): consistent * support for consistent in (False, True) for support in (1, 2, 3)}
    assert {asked: retrieval_reward(*asked) for asked in table} == table
    assert set(table.values()) == {0, 1, 2, 3}
    for wrong in (0, 4):
        with pytest.raises(ForageError, match="support"):
            retrieval_reward(True, wrong)
