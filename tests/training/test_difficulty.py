"""Responses until the first right one: by hand, what is sampled for it, and a run on the problems of a bucket."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.methods import difficulty_buckets, grpo
from forage.parts.memory.difficulty_buckets import read_tries
from forage.store.run_directory import RunDirectory
from forage.training.difficulty import WAVE, Difficulty, _tried, counted, measure_difficulty
from forage.training.loop import train
from methods.test_rollout_methods import small
from parts.explore.test_forks import Answers
from support.builders import problem
from support.coins import Coins
from support.worlds import EASY, World, blank_model

ENGINE = LocalEngine(threads=1, matmul="highest")


@pytest.mark.parametrize(
    ("waves", "tries", "judged"),
    [
        ([[True]], 1, 1),
        ([[False, False, True, True]], 3, 4),
        ([[False] * 8, [False, True]], 10, 10),
        ([[False] * 8, [], [True]], 9, 9),  # nothing of the second wave could be judged
        ([[False] * 8, [False] * 8], None, 16),
    ],
)
def test_tries_by_hand(waves: Sequence[Sequence[bool]], tries: int | None, judged: int) -> None:
    known = Difficulty(problem="p", tries=None, judged=0)
    for wave in waves:
        known = counted(known, wave)
    assert (known.tries, known.judged) == (tries, judged)


def test_problems_are_left_once_they_are_solved() -> None:
    coins = Coins(heads=0.1, length=1)
    problems = [problem(name) for name in "abcdefgh"]
    found = _tried(problems, Answers(), coins.tools, SamplingParams(max_tokens=1), 20, 0, None)
    for each in found:
        asked = [request for request in coins.asked if request.problem and request.problem.id == each.problem]
        drawn = [heads for request in asked for heads in flips(request.seed, request.group_size)]
        first = drawn.index(True) + 1 if True in drawn else None
        assert each.tries == first
        assert [request.group_size for request in asked] == [WAVE, WAVE, 4][: len(asked)]
        assert len(drawn) == 20 or first is not None
        assert first is None or first > len(drawn) - asked[-1].group_size, "no wave behind the first right response"
    assert len({each.tries for each in found}) > 3


def flips(seed: int, count: int) -> list[bool]:
    """The responses to a request with this seed, in order: whether each is heads."""
    coins = Coins(heads=0.1, length=1)
    ((_, completions),) = coins.sample([SampleRequest((9,), count, seed)], SamplingParams(max_tokens=1))
    return [each.tokens == (1,) for each in completions]


def test_a_run_meets_only_the_problems_of_its_buckets(tmp_path: Path) -> None:
    model = blank_model(tmp_path / "model")
    file = tmp_path / "difficulty.jsonl"
    found = measure_difficulty(model, task=EASY, most=12, max_tokens=1, engine=ENGINE)
    assert found == measure_difficulty(model, task=EASY, most=12, max_tokens=1, engine=ENGINE)
    found.save(file)
    assert read_tries(file) == {each.problem: each.tries for each in found.problems}
    assert sum(found.counts().values()) == 3
    middle = sorted(each.tries or 99 for each in found.problems)[1]
    counts = found.counts(medium=middle, hard=middle)
    assert counts["medium"] >= 1
    method = difficulty_buckets(file=str(file), buckets="medium", medium=middle, hard=middle)
    recipe = small(model, grpo(), method, steps=2)
    train(recipe, out=tmp_path / "run")
    wanted = {each.problem for each in found.problems if (each.tries or 99) == middle}
    met = {row["problem"] for row in RunDirectory.open(tmp_path / "run").rollouts(2)}
    assert met == wanted


def test_wrong_numbers_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="at least one response"):
        measure_difficulty(tmp_path, most=0)


def test_a_problem_that_is_never_solved_is_unsolved(tmp_path: Path) -> None:
    found = measure_difficulty(
        blank_model(tmp_path / "model"), task=World(worth=()), most=9, max_tokens=1, engine=ENGINE
    )
    assert [(each.tries, each.judged) for each in found.problems] == [(None, 9)] * 3
    assert found.counts() == {"easy": 0, "medium": 0, "hard": 0, "unsolved": 3}
