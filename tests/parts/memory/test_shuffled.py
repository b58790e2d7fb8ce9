import json

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
