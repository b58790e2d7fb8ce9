import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.serialize import decode_part, encode_part
from forage.tasks.names import parse_task
from forage.tasks.two_ways import BASE, TwoWays, all_trails


def problem(trail: str) -> Problem:
    return Problem(id="trail", prompt=f"{trail}=", answer=trail[-1], task="two_ways")


@pytest.mark.parametrize(
    ("trail", "text", "mode"),
    [
        ("314053", "a3", "a"),
        ("314053", "b314053", "b"),
        ("314053", "a31", None),
        ("314053", "b3", None),
        ("314053", "b31405", None),
        ("314053", "b344053", None),
        ("314053", "3", None),
        ("314053", "", None),
        ("314053", "a", None),
        ("314052", "a3", None),
        ("314052", "a2", None),
        ("314052", "b314052", "b"),
    ],
)
def test_verdicts_and_modes(trail: str, text: str, mode: str | None) -> None:
    """The first trail leads back to its first sign, so both ways are right; the second one does not."""
    task = TwoWays()
    score = task.verify(problem(trail), text)
    assert score.correct == (mode is not None)
    assert score.parts["correct"] == float(mode is not None)
    if mode is not None:
        assert task.mode(problem(trail), text) == mode


def test_both_ways_are_right_in_training_and_one_in_the_test() -> None:
    task = TwoWays()
    for problems, ways in ((task.problems("train"), {"a", "b"}), (task.problems("test"), {"b"})):
        for each in problems:
            right = [text for text in task.responses(each) if task.verify(each, text).correct]
            assert {task.mode(each, text) for text in right} == ways
            assert len(right) == len(ways)
            assert task.reference(each) in right


def test_splits_do_not_meet_and_base_models_see_both_kinds_alike() -> None:
    task, base = TwoWays(), all_trails()[:BASE]
    easy = [trail for trail in base if trail[0] == trail[-1]]
    assert len(set(all_trails())) == 20_000
    assert len(easy) == BASE // 2
    train, test = ({each.prompt for each in task.problems(split)} for split in ("train", "test"))
    assert (len(train), len(test)) == (128, 256)
    assert not train & test
    assert not (train | test) & {f"{trail}=" for trail in base}
    other = TwoWays(seed=1)
    assert other.problems("test") == task.problems("test")
    assert other.problems("train") != task.problems("train")


def test_names_and_settings() -> None:
    task = parse_task("two_ways:seed=3")
    assert task == TwoWays(seed=3)
    assert decode_part(encode_part(task), TwoWays) == task
    assert task.step_ends(("b", "3", "1", "")) == (1, 2, 4)
    with pytest.raises(ForageError, match="train_problems must lie between 1 and 4096, not 0"):
        TwoWays(train_problems=0)
