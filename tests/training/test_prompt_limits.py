"""Prompts that do not fit are left out or refused, before anything is sampled."""

from collections.abc import Sequence
from typing import Literal

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.training.prompt_limits import check_held_out, within_limits
from support.readable_codecs import Letters

PROBLEMS = [Problem(id=f"p{length}", prompt="x" * length, answer="", task="t") for length in (3, 8, 5)]


def test_long_prompts_are_left_out_and_counted() -> None:
    with pytest.warns(UserWarning, match=r"1 of 3 problems are left out: .* more than 5 tokens"):
        kept = within_limits(PROBLEMS, Letters(), max_prompt=5, max_tokens=10, context=None)
    assert [problem.id for problem in kept] == ["p3", "p5"]
    assert within_limits(PROBLEMS, Letters(), max_prompt=8, max_tokens=10, context=18) == tuple(PROBLEMS)
    assert within_limits(PROBLEMS, Letters(), max_prompt=None, max_tokens=10, context=None) == tuple(PROBLEMS)


@pytest.mark.parametrize(
    ("max_prompt", "context", "sentence"),
    [
        (2, None, "Every prompt has more than 2 tokens; the shortest of 3 has 3. Raise `max_prompt_tokens`"),
        (None, 17, r"1 of 3 prompts leave no room .* 10 tokens .* 17 positions; .* p8, has 8. .*`max_prompt_tokens` 7"),
        (5, 14, r"1 of 2 prompts .* problem p5, has 5"),
        (None, 12, "3 of 3 prompts .* Lower `max_tokens`, or take a model with a longer context"),
    ],
)
def test_what_cannot_fit_is_a_sentence(max_prompt: int | None, context: int | None, sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        within_limits(PROBLEMS, Letters(), max_prompt=max_prompt, max_tokens=10, context=context)


class Split(Task):
    """One short training problem; test problems of 3, 8 and 5 tokens."""

    name = "split"

    def verify(self, problem: Problem, text: str) -> Score:
        return Score(0.0, {"correct": 0.0})

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return PROBLEMS if split == "test" else PROBLEMS[:1]


def test_held_out_prompts_are_looked_at_before_training() -> None:
    with pytest.raises(ForageError, match=r"test problems could not be evaluated .* of problem p8, has 8"):
        check_held_out(Split(), Letters(), max_prompt=None, max_tokens=10, context=15)
    with pytest.warns(UserWarning, match="1 of 3 test problems are left out"):
        check_held_out(Split(), Letters(), max_prompt=5, max_tokens=10, context=15)
    check_held_out(Split(), Letters(), max_prompt=None, max_tokens=10, context=18)
