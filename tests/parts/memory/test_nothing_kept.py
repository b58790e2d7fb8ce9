"""Why a replay has kept no state: the first thing that was missing is named, with what to do."""

import pytest

from forage.parts.memory.nothing_kept import why_nothing
from forage.parts.memory.promising import Looked


@pytest.mark.parametrize(
    ("looked", "sentence"),
    [
        (Looked(), "no judged response to a fresh problem was wrong"),
        (Looked(responses=7), "none of 7 wrong responses has a step end between 20% and 80% of its tokens"),
        (Looked(7, 5, 3, 2), "3 of 5 step ends come behind the mark of an answer, and 2 leave no room"),
        (Looked(7, 5, 1, 1), "none of 3 step ends was worth 0.1 more than its problem"),
    ],
)
def test_the_first_thing_that_was_missing_is_named(looked: Looked, sentence: str) -> None:
    said = why_nothing(looked, responses="wrong", window=(0.2, 0.8), margin=0.1)
    assert said.startswith("Replay has kept no state")
    assert sentence in said


def test_counts_of_two_looks_add_up() -> None:
    assert Looked(1, 2, 1, 0).plus(Looked(3, 5, 0, 2)) == Looked(4, 7, 1, 2)
    assert Looked(4, 7, 1, 2).valued == 4
