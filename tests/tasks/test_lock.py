import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.serialize import decode_part, encode_part
from forage.tasks.lock import BASE, Lock, all_locks
from forage.tasks.names import file_name, parse_task

LOCK = Problem(id="lock", prompt="60217=", answer="60217", task="lock")


@pytest.mark.parametrize(
    ("text", "correct", "commit"),
    [("60217", 1, 1), ("60216", 0, 1), ("6021", 0, 0), ("602177", 0, 0), ("6021x", 0, 0), ("", 0, 0)],
)
def test_only_the_whole_chain_opens(text: str, correct: int, commit: int) -> None:
    score = Lock(length=5).verify(LOCK, text)
    assert score.value == correct
    assert score.parts == {"correct": correct, "commit": commit}


def test_what_a_beginning_is_worth() -> None:
    """Dials that are left open by chance with 1/8 each; behind a wrong dial nothing does."""
    task = Lock(length=5)
    assert [task.oracle(LOCK, text) for text in ("", "602", "60217", "612", "602177")] == [8**-5, 8**-2, 1, 0, 0]
    assert task.state(LOCK, "602") == task.state(LOCK, "602") != task.state(LOCK, "60")
    assert task.state(LOCK, "612") is None
    assert task.step_ends(("6", "0", "2", "")) == (1, 2, 4)
    assert task.step_ends(("6",)) == (1,)


def test_one_response_is_right_and_splits_do_not_meet() -> None:
    task = Lock()
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (128, 256)
    for each in (*train[:5], *test[:5]):
        (text,) = task.responses(each)
        assert task.verify(each, text).correct
        assert task.reference(each) == text
    base = {f"{clues}=" for clues in all_locks(task.length)[:BASE]}
    prompts = [{each.prompt for each in split} for split in (train, test)]
    assert not prompts[0] & prompts[1]
    assert not (prompts[0] | prompts[1]) & base
    assert Lock(seed=1).problems("test") == test
    assert Lock(seed=1).problems("train") != train
    assert not task.has_modes


@pytest.mark.parametrize("length", [5, 16])
def test_every_length_has_locks_enough(length: int) -> None:
    task = Lock(length=length, train_problems=4096, test_problems=1024)
    prompts = {each.prompt for split in ("train", "test") for each in task.problems(split)}  # pyright: ignore[reportArgumentType]
    assert len(prompts) == 5120
    assert {len(each) for each in prompts} == {length + 1}


def test_names_and_settings() -> None:
    task = parse_task("lock:length=14,seed=3")
    assert task == Lock(length=14, seed=3)
    assert decode_part(encode_part(task), Lock) == task
    assert file_name(task, "test") == "lock-14"
    with pytest.raises(ForageError, match="5 to 16 dials, not 4"):
        parse_task("lock:length=4")
    with pytest.raises(ForageError, match="test_problems must lie between 1 and 1024"):
        Lock(test_problems=2000)
