"""Problems by difficulty: which are drawn, the control, and files that do not fit."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Memory
from forage.parts.memory import ShuffledProblems
from forage.parts.memory.difficulty_buckets import DifficultyBuckets, digest_of, read_tries
from support.builders import problem

TRIES: Mapping[str, int | None] = {"a": 1, "b": 9, "c": 10, "d": 20, "e": 21, "f": None, "g": 2}
PROBLEMS = [problem(name) for name in TRIES]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    place = tmp_path / "difficulty.jsonl"
    place.write_text("".join(json.dumps({"id": name, "tries": tries}) + "\n" for name, tries in TRIES.items()))
    return place


def drawn(memory: Memory) -> list[str]:
    return [start.problem.id for start in memory.draw(60, step=1)]


@pytest.mark.parametrize(
    ("buckets", "wanted"),
    [
        (("easy",), "abg"),
        (("medium",), "cd"),
        (("hard",), "e"),
        (("unsolved",), "f"),
        (("easy", "medium"), "abcdg"),
        (("medium", "hard", "unsolved"), "cdef"),
    ],
)
def test_buckets_against_a_table(file: Path, buckets: tuple[str, ...], wanted: str) -> None:
    memory = DifficultyBuckets(file=str(file), buckets=buckets).open(PROBLEMS, seed=0)
    assert set(drawn(memory)) == set(wanted)


def test_other_bounds_are_other_buckets(file: Path) -> None:
    config = DifficultyBuckets(file=str(file), buckets=("medium",), medium=2, hard=9)
    assert set(drawn(config.open(PROBLEMS, seed=0))) == {"b", "g"}


def test_all_buckets_are_plain_passes_and_a_state_resumes(file: Path) -> None:
    config = DifficultyBuckets(file=str(file), buckets=("easy", "medium", "hard", "unsolved"))
    plain = ShuffledProblems().open(PROBLEMS, seed=3)
    memory = config.open(PROBLEMS, seed=3)
    assert memory.draw(5, step=1) == plain.draw(5, step=1)
    again = config.open(PROBLEMS, seed=3)
    again.restore(json.loads(json.dumps(memory.state())))
    assert again.draw(9, step=2) == memory.draw(9, step=2)


def test_the_control_draws_as_many_of_any_difficulty(file: Path) -> None:
    config = DifficultyBuckets(file=str(file), buckets=("easy",), deal="random")
    found = [frozenset(drawn(config.open(PROBLEMS, seed=seed))) for seed in range(20)]
    assert {len(each) for each in found} == {3}
    assert len(set(found)) > 5
    assert set().union(*found) == set(TRIES)


def test_what_does_not_fit_is_a_sentence(file: Path, tmp_path: Path) -> None:
    config = DifficultyBuckets(file=str(file), digest=digest_of(str(file)))
    assert drawn(config.open(PROBLEMS, seed=0))
    with pytest.raises(ForageError, match="does not say how hard the problem z"):
        config.open([*PROBLEMS, problem("z")], seed=0)
    with pytest.raises(ForageError, match="None of 1 problems is unsolved"):
        DifficultyBuckets(file=str(file), buckets=("unsolved",)).open([problem("a")], seed=0)
    file.write_text(file.read_text() + "\n")
    with pytest.raises(ForageError, match="have changed"):
        config.open(PROBLEMS, seed=0)
    with pytest.raises(ForageError, match="cannot be read"):
        digest_of(str(tmp_path / "nowhere"))
    for wrong in ((), ("simple",)):
        with pytest.raises(ForageError, match="one or more of easy, medium, hard, unsolved"):
            DifficultyBuckets(file=str(file), buckets=wrong)
    with pytest.raises(ForageError, match="Tries count from 1"):
        DifficultyBuckets(file=str(file), medium=30)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1, "tries": 2}', '{"id": "a"}', '{"id": "a", "tries": 0}'])
def test_bad_rows_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text(f'{{"id": "a", "tries": null}}\n\n{line}\n')
    with pytest.raises(ForageError, match="line 3"):
        read_tries(tmp_path / "bad.jsonl")
