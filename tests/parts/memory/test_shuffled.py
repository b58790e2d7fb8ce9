import json
from collections import Counter

import pytest

from forage.core.errors import ForageError
from forage.parts.memory import ShuffledProblems
from support.builders import problem


def test_every_problem_once_per_pass_in_a_new_order() -> None:
    memory = ShuffledProblems().open([problem(str(i)) for i in range(10)], seed=1)
    passes = [[start.problem.id for start in memory.draw(10, step=1)] for _ in range(3)]
    assert all(sorted(names) == sorted(passes[0]) for names in passes)
    assert passes[0] != passes[1] != passes[2]


def test_state_restores_the_stream() -> None:
    problems = [problem(str(i)) for i in range(7)]
    memory = ShuffledProblems().open(problems, seed=1)
    memory.draw(5, step=1)
    state = json.loads(json.dumps(memory.state()))
    expected = memory.draw(20, step=2)
    again = ShuffledProblems().open(problems, seed=1)
    again.restore(state)
    assert again.draw(20, step=2) == expected


def test_no_problems_is_a_sentence() -> None:
    with pytest.raises(ForageError, match="no problems"):
        ShuffledProblems().open([], seed=0)


@pytest.mark.parametrize("draws", [(8,), (16,), (3, 5), (25,)], ids=str)
def test_no_problem_comes_twice_in_a_step_while_others_wait(draws: tuple[int, ...]) -> None:
    memory = ShuffledProblems().open([problem(str(i)) for i in range(10)], seed=1)
    met: Counter[str] = Counter()
    for step in range(1, 40):
        here = Counter(start.problem.id for count in draws for start in memory.draw(count, step=step))
        counts = [here[str(i)] for i in range(10)]
        assert max(counts) - min(counts) <= 1, f"step {step}: {here}"
        met += here
    assert max(met.values()) - min(met.values()) <= 2, "what waits is not forgotten"


def test_what_waits_is_part_of_the_state() -> None:
    problems = [problem(str(i)) for i in range(10)]
    for steps in range(1, 12):
        memory, again = (ShuffledProblems().open(problems, seed=3) for _ in range(2))
        for step in range(1, steps):
            memory.draw(8, step=step)
        again.restore(json.loads(json.dumps(memory.state())))
        assert [again.draw(8, step=s) for s in range(steps, 20)] == [memory.draw(8, step=s) for s in range(steps, 20)]
