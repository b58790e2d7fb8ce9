import pytest

from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.tasks.verifiers.pattern import Regex


def problem(answer: str) -> Problem:
    return Problem(id="p", prompt="How many?", answer=answer, task="t")


@pytest.mark.parametrize(
    ("pattern", "text", "answer"),
    [
        (r"answer is (\w+)", "answer is no\nanswer is yes", "yes"),  # the last match, and its first group
        (r"\d+", "3 or 4", "4"),  # without a group the whole match
        (r"^= (.*)$", "x\n= 7 \ny", "7"),  # lines, and no blanks around it
        (r"answer is (\w+)", "I do not know", None),
        (r"a(b)?", "a", None),  # a group that took no part
    ],
)
def test_the_answer_is_the_last_match(pattern: str, text: str, answer: str | None) -> None:
    assert Regex(pattern=pattern).answer(problem("yes"), text) == answer


def test_texts_are_compared_exactly_and_numbers_by_value() -> None:
    assert not Regex(pattern=r"= (.*)").judge(problem("0.5"), "= 1/2").correct
    assert Regex(pattern=r"= (.*)", compare="numeric").judge(problem("0.5"), "= 1/2").correct
    assert not Regex(pattern=r"= (.*)", compare="numeric").judge(problem("0.5"), "= 0.51").correct
    assert Regex(pattern=r"= (.*)", compare="numeric", tolerance=0.1).judge(problem("0.5"), "= 0.51").correct


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "needs a pattern"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "x", "compare": "y"}, "exact or"),
    ],
)
def test_mistakes_are_sentences(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        Regex(**settings)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="not a number"):
        Regex(pattern="x", compare="numeric").check("many")
