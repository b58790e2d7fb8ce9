"""Evaluation records: round trip, checks at birth, and files that are not what they should be."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.evaluation.evaluation import Evaluation, ProblemOutcome

Make = Callable[..., Evaluation]


def full() -> Evaluation:
    outcome = ProblemOutcome(
        problem="p\u00e9",
        n=8,
        correct=3,
        unjudged=1,
        truncated=2,
        committed=5,
        length_sum=96,
        entropy_sum=0.1 + 0.2,
        answers={"8 - 6": 2, "6 * 4": 3},
        right_answers={"6 * 4": 3},
    )
    return Evaluation(
        label="grpo",
        checkpoint="runs/a/checkpoints/step-000100",
        fingerprint="00ff",
        step=100,
        run_seed=3,
        task={"part": "toy", "size": "demo"},
        split="test",
        params=SamplingParams(temperature=0.7, top_p=0.9, top_k=5, max_tokens=32),
        n=8,
        seed=1,
        problems=(outcome,),
        seconds=1.5,
    )


def test_round_trip_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "evals" / "test.json"
    full().save(path)
    loaded = Evaluation.load(path)
    assert Evaluation.load(str(path)) == loaded, "a path may be text"
    assert loaded == full()
    assert loaded.seconds == 1.5
    assert list(path.parent.iterdir()) == [path]


def test_tokens_and_entropy_add_up(evaluation: Make) -> None:
    # Three problems x 4 samples of 10 tokens; 4 nats per sample of 10 tokens = 0.4 nats per token.
    some = evaluation([0, 1, 4], 4)
    assert some.tokens == 120
    assert some.entropy == pytest.approx(0.4)


@pytest.mark.parametrize(
    "changes",
    [
        {"n": 0},
        {"correct": 8},  # 8 of 7 judged
        {"committed": 8},
        {"unjudged": 9},
        {"truncated": -1},
        {"length_sum": -1},
        {"entropy_sum": float("nan")},
        {"answers": {"a": 8}, "right_answers": {}},
        {"answers": {"a": 0}, "right_answers": {}},
        {"right_answers": {"8 - 6": 3}},
        {"right_answers": {"unknown": 1}},
        {"right_answers": {"8 - 6": 2, "6 * 4": 3}},  # 5 right answers, 3 correct samples
    ],
)
def test_counts_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    outcome = full().problems[0]
    with pytest.raises(ValueError, match="problem p\u00e9"):
        dataclasses.replace(outcome, **changes)  # pyright: ignore[reportArgumentType]


def test_a_problem_is_held_once_and_with_all_samples(evaluation: Make) -> None:
    some = evaluation([1, 2], 4)
    with pytest.raises(ValueError, match="once"):
        dataclasses.replace(some, problems=some.problems[:1] * 2)
    with pytest.raises(ValueError, match="4 samples, the evaluation 5"):
        dataclasses.replace(some, n=5)
    with pytest.raises(ValueError, match="at least one problem"):
        dataclasses.replace(some, problems=())


@pytest.mark.parametrize("damage", ["cut", "format", "field", "count", "list", "params"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "test.json"
    full().save(path)
    values = json.loads(path.read_text())
    if damage == "format":
        values["format"] = "something else"
    elif damage == "field":
        values["color"] = "red"
    elif damage == "count":
        values["problems"][0]["correct"] = 99
    elif damage == "params":
        values["params"]["temperature"] = -1
    content = json.dumps([values] if damage == "list" else values)
    path.write_text(content[: len(content) // 2] if damage == "cut" else content)
    with pytest.raises(ForageError, match=r"test\.json is not a whole evaluation"):
        Evaluation.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match=r"absent\.json cannot be read: No such file"):
        Evaluation.load(tmp_path / "absent.json")


@pytest.mark.parametrize("place", ["os.fsync", "Path.replace"])
def test_an_unwritable_place_is_a_sentence_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = tmp_path / "test.json"
    full().save(path)
    before = path.read_bytes()

    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"forage.core.atomic.{place}", full_disk)
    with pytest.raises(ForageError, match=r"The disk is full, so .*test\.json was not written"):
        dataclasses.replace(full(), label="other").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
