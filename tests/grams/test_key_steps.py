"""Key steps in texts, by hand."""

import json
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.grams.key_steps import equation_steps, matched_share, read_key_steps, steps_in_order

STEPS = [("8-6=2", "6+2=8"), ("double it",)]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("8 - 6 = 2 and DOUBLE   it", 1.0),
        ("6 + 2 = 8", 0.5),
        ("18 - 6 = 2, 8 - 6 = 20, doubled it, double item", 0.0),
        ("8-6\n=2", 0.5),
        ("", 0.0),
    ],
)
def test_forms_count_alike_and_only_as_whole_words(text: str, share: float) -> None:
    assert matched_share(text, STEPS) == share


def test_no_key_steps_are_no_share() -> None:
    assert matched_share("anything", ()) == 0


def test_calculations_of_a_solution_and_their_other_order() -> None:
    found = equation_steps("try 8 - 6 = 2 4 10 try 10 * 2 = 20 4 again 2*10=20, 5+5=10 so 1.5+1=2.5")
    assert found == (("8-6=2",), ("10*2=20", "2*10=20"), ("5+5=10",), ("1.5+1=2.5", "1+1.5=2.5"))
    assert equation_steps("3+4+5=12 and x-6=2 and 8-6=2x") == (), "only whole calculations of two numbers"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("Facts: a\nStep 1: b\n### STEP 2: c\nAnswer: 3", True),
        ("Facts: a\nStep 1: b\nStep 3: c\nAnswer: 3", False),
        ("Facts: a\nStep 2: b\nStep 1: c\nAnswer: 3", False),
        ("Facts: a\nStep 1: b\nAnswer: 3\nStep 2: c", False),
        ("Step 1: b\nAnswer: 3", False),
        ("Answer: 3\nStep 1: b\nFacts: a", False),
        ("Facts: a\nAnswer: 3", False),
        ("Facts: a\nin step 1: b\nAnswer: 3", False),
    ],
)
def test_sections_in_order_and_steps_from_one_to_n_before_the_answer(text: str, valid: bool) -> None:
    assert steps_in_order(text, ["Facts:", "answer:"], numbered=True) == valid


def test_either_demand_may_be_made_alone() -> None:
    assert steps_in_order("check 4 4 yes so", ["check", "so"], numbered=False)
    assert not steps_in_order("so check", ["check", "so"], numbered=False)
    assert not steps_in_order("so", ["so", "so"], numbered=False), "every mark is found behind the one before"
    assert steps_in_order("Step 1. a\nStep 2. b", [], numbered=True)
    with pytest.raises(ForageError, match="give one"):
        steps_in_order("text", [], numbered=False)


def test_files_name_problems_by_id_or_prompt(tmp_path: Path) -> None:
    file = tmp_path / "steps.jsonl"
    rows = [{"id": "p", "key_steps": ["one", ["two", "2"]]}, {"prompt": "ab", "key_steps": []}]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert read_key_steps(file) == {"p": (("one",), ("two", "2")), "ab": ()}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "line 1: it is not JSON"),
        ("[1]", "line 1: a row is an object"),
        ('{"id": "p"}', "key_steps, a list"),
        ('{"id": "p", "key_steps": [3]}', "a text or a list"),
        ('{"id": "p", "key_steps": [[]]}', "one or more forms"),
        ('{"id": "p", "key_steps": [["a", 3]]}', "all of them texts"),
        ("", "no key steps"),
    ],
)
def test_what_is_no_file_of_key_steps_is_a_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "steps.jsonl"
    file.write_text(content)
    with pytest.raises(ForageError, match=sentence):
        read_key_steps(file)
    with pytest.raises(ForageError, match="cannot be read"):
        read_key_steps(tmp_path / "none.jsonl")
