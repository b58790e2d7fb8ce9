"""Step boundaries: exact partitions by any rule, for any split into tokens."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.serialize import decode_part, encode_part
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import KEYWORDS
from forage.tasks.steps import RULES, Stepwise, beginning_with, ends_at, rule_of
from forage.tasks.table import parse_table
from support.builders import problem


def steps(text: str, rule: str) -> list[str]:
    """The text's steps, one token per character."""
    ends = ends_at(list(text), RULES[rule])
    return [text[a:b] for a, b in zip((0, *ends), ends, strict=False)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("newline", ["one\n", "two\n\n  ", "three\n"]),
        ("sentence", ["It is 3.5, e.g. here. ", 'He said "no." ', "Why?\n", "So"]),
        ("label", ["First. \n", "Step 1: add\n", "### Step 2. stop 3"]),
        ("code_line", ["x = 1\n", "# why\n\ny = 2\n", "return y\n"]),
    ],
)
def test_rules_by_hand(rule: str, expected: list[str]) -> None:
    assert steps("".join(expected), rule) == expected


def test_any_function_may_be_a_rule() -> None:
    assert ends_at(["ab", "cd", "ef"], lambda text: [text.index("c")]) == (1, 3)


def test_tokens_that_straddle_a_boundary_stay_with_the_step_they_began_in() -> None:
    assert ends_at(["a", "b\nc", "d", "\n", "e"], RULES["newline"]) == (2, 4, 5)


def test_tokens_without_text_belong_to_the_step_before() -> None:
    assert ends_at(["a\n", "", "b", "", "c", ""], RULES["newline"]) == (2, 6)
    assert ends_at(["a", "\n", ""], RULES["newline"]) == (3,)
    assert ends_at(["", "a", "\n", "b"], RULES["newline"]) == (3, 4)
    assert ends_at(["", ""], RULES["newline"]) == (2,)
    assert ends_at([], RULES["newline"]) == ()


def commas(text: str) -> list[int]:
    """A rule of somebody's own, in a module that can be imported: this one."""
    return [place + 1 for place, letter in enumerate(text) if letter == ","]


def halves(text: str) -> list[float]:
    return [len(text) / 2]


OWN = f"python:{__name__}:commas"


@given(
    st.text(alphabet="a.B \n#1,", max_size=40),
    st.sampled_from([*sorted(RULES), "words:a B", OWN]),
    st.integers(0, 99),
)
def test_every_text_is_partitioned_whatever_its_tokens_are(text: str, rule: str, seed: int) -> None:
    draw, pieces, place = random.Random(seed), [], 0
    while place < len(text):
        size = draw.randint(0, 3)
        pieces.append(text[place : place + size])
        place += size
    ends = ends_at(pieces, rule_of(rule))
    assert list(ends) == sorted(set(ends))
    assert (ends[-1] if ends else 0) == len(pieces)
    assert all(end > 0 for end in ends)


def test_the_words_of_the_lab_give_the_steps_of_the_lab() -> None:
    lab, pieces = Countdown(), ["so", " so", " try", " 3", " +", " 4", " wait", " back", " so"]
    words = tuple(sorted(KEYWORDS))
    assert ends_at(pieces, beginning_with(words)) == lab.step_ends(pieces)
    assert Stepwise(task=lab, steps="words", words=words).step_ends(pieces) == lab.step_ends(pieces)
    assert ends_at([" sofa", " so"], beginning_with(["so"])) == (1, 2)


def test_a_task_with_other_steps_is_otherwise_the_same() -> None:
    lab = Countdown()
    task = Stepwise(task=lab, steps="sentence")
    assert decode_part(encode_part(task), Task) == task
    (first, *_) = task.problems("train")
    assert task.problems("train") == lab.problems("train")
    assert task.verify(first, "so") == lab.verify(first, "so")
    assert task.answer(first, "try 1 + 2 = 3 so") == lab.answer(first, "try 1 + 2 = 3 so")
    assert task.step_ends(["A. ", "B"]) == (1, 2)
    assert problem().id != first.id


def test_rules_are_named_on_the_command_line(tmp_path: Path) -> None:
    pieces = ["so", " a,", " so", " b.", "\n", "c"]
    table = tmp_path / "table.jsonl"
    table.write_text('{"prompt": "p", "answer": "a"}\n')
    for rule, expected in (
        ("newline", (5, 6)), ("sentence", (5, 6)), ("label", (6,)), ("code_line", (5, 6)),
        ("words:so c", (2, 4, 6)), (OWN, (2, 6)),
    ):  # fmt: skip
        assert ends_at(pieces, rule_of(rule)) == expected
        task = parse_table(f"table:data={table},steps={rule},verifier=exact")
        assert decode_part(encode_part(task), Task).step_ends(pieces) == expected
        assert Stepwise(task=Countdown(), steps=rule).step_ends(pieces) == expected


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("lines", "one of newline, sentence"),
        ("words:", "words:WORD"),
        ("python:commas", "module:function"),
        ("python:no_such_module:f", "cannot be imported"),
        (f"python:{__name__}:nothing", "no function"),
        (f"python:{__name__}:halves", "whole numbers"),
    ],
)
def test_rules_that_cannot_be_are_sentences(rule: str, message: str) -> None:
    with pytest.raises(ForageError, match=message):
        rule_of(rule)("abc")


def test_words_and_the_rule_that_reads_them_go_together() -> None:
    with pytest.raises(ForageError, match="words"):
        Stepwise(task=Countdown(), steps="words")
    with pytest.raises(ForageError, match="words"):
        Stepwise(task=Countdown(), steps="label", words=("so",))
