"""What counts as an answer given: marks of one, never just any text that a verifier can read."""

import pytest

from forage.core.answered import answered
from forage.core.records import Problem, Score
from forage.reward_models.prm.label import _count  # pyright: ignore[reportPrivateUsage]
from forage.tasks.gym import GymScorer
from forage.tasks.steps import Stepwise
from forage.tasks.table import Table, TableFile
from forage.tasks.verifiers import parse_verifier

PROBLEM = Problem(id="p", prompt="What is 6 * 7?", answer="42", task="table")

BEGINNINGS = (
    "First we multiply 6 by 7.",
    "So 6 * 7 = 42, but let me check. $6 \\cdot 7$",
    "To find the answer we add six sevens",
    "The result of the first step helps.",
    "#### Step 2: multiply the numbers\n",
    "As a result we see that \\boxed{4",
    "<answer>4",
    "The answer is",
)
ANSWERS = (
    "So it is \\boxed{42}.",
    "<answer>42</answer>",
    "6 * 7 = 42\n#### 42\n",
    "The answer is 42",
    "Final answer: 42.",
    "**Answer:** 42",
    "The result = 42",
)


def table(verifier: str) -> Table:
    return Table(train=TableFile(path="unused"), verifier=parse_verifier(verifier))


@pytest.mark.parametrize("verifier", ["math", "exact", "numeric"])
def test_only_a_mark_is_an_answer(verifier: str) -> None:
    task = table(verifier)
    for some in (task, Stepwise(task=task)):
        assert [text for text in BEGINNINGS if answered(some, PROBLEM, text)] == []
        assert [text for text in ANSWERS if not answered(some, PROBLEM, text, Score(0.0, {"correct": 0.0}))] == []


def test_a_gym_scorer_asks_for_a_mark_too() -> None:
    scorer = GymScorer(dataset="chain_sum")
    assert not any(scorer.marks_answer(PROBLEM, text) for text in BEGINNINGS)
    assert all(scorer.marks_answer(PROBLEM, text) for text in ANSWERS)


def test_a_verifier_may_have_marks_of_its_own() -> None:
    assert answered(table("regex:so (\\d+)$"), PROBLEM, "so 42")
    assert not answered(table("regex:so (\\d+)$"), PROBLEM, "The answer is 42")
    assert answered(table("choice"), PROBLEM, "It cannot be A.\n(B)")
    assert not answered(table("choice"), PROBLEM, "It cannot be (A), so")
    assert answered(table("unit_tests"), PROBLEM, "def f(x):\n    return x")
    assert not answered(table("unit_tests"), PROBLEM, "def f(x):\n    y = x")


def test_the_part_commit_decides_where_there_is_one() -> None:
    task = table("math")
    assert answered(task, PROBLEM, BEGINNINGS[0], Score(0.0, {"correct": 0.0, "commit": 1.0}))
    assert not answered(task, PROBLEM, ANSWERS[0], Score(1.0, {"correct": 1.0, "commit": 0.0}))


def test_continuations_without_an_answer_are_counted_as_such() -> None:
    wrong = Score(0.0, {"correct": 0.0, "answered": 1.0})
    counts = _count(table("math"), PROBLEM, ["The answer is 41", "We go on with 41"], [wrong, wrong])
    assert (counts.wrong, counts.unanswered) == (1, 1)
