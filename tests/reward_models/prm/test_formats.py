"""Label files: every format is read back as it was written, and rows that do not add up are named by line."""

import json
import math
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.reward_models.prm.formats import FORMATS, LOSSY, TAG, Format, TaggedSolution, read_labels, write_labels
from forage.reward_models.prm.labels import LabeledSolution, StepCounts

SOLUTIONS = (
    TaggedSolution(prompt="What is 1 + 1? ", steps=("Step 1: add. ", "\nStep 2: it is 2. "), values=(0.25, 1.0)),
    TaggedSolution(prompt="Étude: 2 - 2? ", steps=("Step 1: nil + nothing - ",), values=(0.0,)),
    TaggedSolution(prompt="use 1 2 to make 3 ", steps=("try 1 + 2 = 3 ", "\nso "), values=(1.0, 1.0)),
    TaggedSolution(prompt='What does "Step 1: add" say? ', steps=("it says add ",), values=(1.0,)),
)


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(name: Format, tmp_path: Path) -> None:
    text, rounded = write_labels(SOLUTIONS, name)
    path = tmp_path / "labels.jsonl"
    path.write_text(text)
    found = read_labels(path)
    assert not found.rejected
    assert [(row.prompt, row.steps) for row in found.solutions] == [(row.prompt, row.steps) for row in SOLUTIONS]
    wanted = [(0.0 if name in LOSSY else 0.25, 1.0), *(row.values for row in SOLUTIONS[1:])]
    assert [row.values for row in found.solutions] == wanted
    assert rounded == (1 if name in LOSSY else 0)
    assert write_labels(found.solutions, name) == (text, 0)


@pytest.mark.parametrize("name", ["er-prm", "math-shepherd"])
def test_rows_of_others_have_no_question_of_their_own(name: Format, tmp_path: Path) -> None:
    text, _ = write_labels(SOLUTIONS[:1], name)
    row = {key: value for key, value in json.loads(text).items() if key != "prompt"}
    for prompt in ({}, {"prompt": "another text"}, {"prompt": None}):
        (found,) = read_labels(write(tmp_path / "labels.jsonl", row | prompt)).solutions
        assert (found.prompt, found.steps) == (SOLUTIONS[0].prompt, SOLUTIONS[0].steps)


def test_a_list_in_one_file_and_a_question_that_is_not_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"text": f"Why? So. {TAG}\nThus. {TAG}\n", "value": [1, 0.102]}]))
    (row,) = read_labels(path).solutions
    assert (row.prompt, row.steps, row.values) == ("", ("Why? So. ", "\nThus. "), (1.0, 0.102))
    assert row.source == f"{path}, row 1"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": f"a {TAG} b {TAG}", "value": [1]}, "2 steps have 1 values"),
        ({"text": f"a {TAG} b", "value": [1]}, "text after the last tag"),
        ({"text": "a b", "value": []}, "no step tag"),
        ({"text": f"a {TAG}", "value": [1.5]}, r"does not lie in \[0, 1\]"),
        ({"text": f"a {TAG}", "value": ["yes"]}, "neither a number"),
        ({"text": f"a {TAG}", "value": [math.nan]}, "NaN"),
        ({"text": 3, "value": [1]}, "where a text should"),
        ({"text": f"a {TAG}", "value": 1}, "not a row of a known format"),
        ({"input": f"a {TAG} b {TAG}", "label": "a + c -"}, "differ before tag 2"),
        ({"input": f"a {TAG}", "label": "a + b"}, "goes on"),
        ({"input": f"a {TAG}", "label": "a x"}, "neither a number"),
        ({"prompt": "q", "completions": ["a", "b"], "labels": [True]}, "2 steps have 1 values"),
        ({"steps": ["a", "b"], "counts": [], "outcome": 1, "problem": "p", "prompt": "q"}, "all but the last"),
        ({"steps": ["a"], "counts": [], "outcome": 3, "problem": "p", "prompt": "q"}, "0, 1 or null"),
        ({"question": "q"}, "a known format has"),
        ([1], "not a JSON object"),
    ],
)
def test_rows_that_do_not_add_up_are_rejected_by_line(row: object, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path / "labels.jsonl", {"text": f"a {TAG}", "value": [1]}, row)
    found = read_labels(path)
    assert len(found.solutions) == 1
    (rejected,) = found.rejected
    assert rejected.source == f"{path}, line 2"
    with pytest.raises(ForageError, match=reason):
        raise ForageError(str(rejected))


def test_a_line_that_is_no_json_is_rejected_and_a_missing_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(f'\n{{"text": "a {TAG}", "value": [1]}}\n{{"text": \n')
    found = read_labels(path)
    assert [row.source for row in found.solutions] == [f"{path}, line 2"]
    assert [row.source for row in found.rejected] == [f"{path}, line 3"]
    with pytest.raises(ForageError, match="cannot be read"):
        read_labels(tmp_path / "none.jsonl")


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ForageError, match="step tag"):
        write_labels([TaggedSolution(prompt=TAG, steps=("a",), values=(1.0,))], "er-prm")
    with pytest.raises(ForageError, match="no value"):
        write_labels([TaggedSolution(prompt="", steps=("a",), values=(math.nan,))], "trl")


def test_counts_become_labels_of_any_eta(tmp_path: Path) -> None:
    counts = (StepCounts(8, 4, 4), StepCounts(0, 16), StepCounts(0, 0, 0, 16))
    solution = LabeledSolution(problem="p", prompt="q", steps=("a", "b", "c", "d"), counts=counts, outcome=1)
    assert solution.values(0)[:2] == (0.5, 0.0)
    assert solution.values(math.inf)[:2] == (1.0, 0.0)
    assert solution.values(1)[0] == pytest.approx(0.620, abs=5e-4)
    assert solution.values(5)[0] == pytest.approx(0.863, abs=5e-4)
    assert math.isnan(solution.values(1)[2])
    assert solution.values(1)[3] == 1
    path = write(tmp_path / "labels.jsonl", solution.to_json())
    (found,) = read_labels(path, eta=2.0).solutions
    assert (found.prompt, found.steps) == ("q", ("a", "b", "c", "d"))
    assert found.values[0] == pytest.approx(0.717, abs=5e-4)
    assert math.isnan(found.values[2])


def test_counts_that_are_none_are_refused() -> None:
    with pytest.raises(ForageError, match="0 or more"):
        StepCounts(-1, 2)


def test_texts_that_would_run_together_are_kept_apart() -> None:
    solution = TaggedSolution(prompt="use 1 to make 1", steps=("try 1", " check 1", "so"), values=(1.0, 1.0, 1.0))
    text, _ = write_labels([solution], "er-prm")
    assert json.loads(text)["text"] == f"use 1 to make 1 try 1 {TAG} check 1 {TAG} so {TAG}"


def test_drawn_counts_are_those_of_fewer_continuations() -> None:
    # 2 of (right, right, wrong): both right in 1 of 3 pairs, one right in 2 of 3.
    counts = StepCounts(2, 1)
    drawn = [counts.drawn(2, seed=seed) for seed in range(900)]
    assert {(each.right, each.wrong) for each in drawn} == {(2, 0), (1, 1)}
    assert sum(each.right == 2 for each in drawn) / 900 == pytest.approx(1 / 3, abs=0.05)
    assert counts.drawn(3, seed=0) is counts
    solution = LabeledSolution(problem="p", prompt="q", steps=("a", "b"), counts=(StepCounts(5, 5, 5, 5),), outcome=0)
    few = solution.drawn(4).counts[0]
    assert few.judged + few.unjudged == 4
    assert solution.drawn(4) == solution.drawn(4)
    longer = LabeledSolution(
        problem="p", prompt="q", steps=("a", "c", "d"), counts=(StepCounts(5, 5, 5, 5), StepCounts(9, 0)), outcome=1
    )
    assert longer.drawn(4).counts[0] == few, "a prefix that two solutions share keeps one label"
    with pytest.raises(ForageError, match="at least one continuation"):
        solution.drawn(0)
    with pytest.raises(ForageError, match="at least one continuation"):
        read_labels(Path("nowhere"), m=0)
