"""Tables as people have them: formats, layouts, rows that cannot be used, what is held out and what leaks."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Message
from forage.core.serialize import decode_part, encode_part
from forage.tasks.table import Columns, Table, TableFile, open_table, parse_table
from forage.tasks.table.files import data_files, read_rows
from forage.tasks.table.prompts import normalized, render
from forage.tasks.table.rows import Entry, Read, read_entries
from forage.tasks.table.separated import Row, Separated
from forage.tasks.verifiers import parse_verifier

Rows = Sequence[Mapping[str, Any]]

EXACT = parse_verifier("exact")
CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
ROWS: Rows = [{"prompt": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(1, 21)]


def jsonl(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def json_list(path: Path, rows: Rows) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def separated(path: Path, rows: Rows, *, separator: str = ",") -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # with the mark that spreadsheets write
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)
    return path


def parquet(path: Path, rows: Rows) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    return path


def arrow_stream(path: Path, rows: Rows) -> None:
    table = pyarrow.Table.from_pylist(list(rows))
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def saved_dataset(folder: Path, rows: Rows) -> Path:
    """What `datasets.Dataset.save_to_disk` leaves: shards in Arrow's stream format, and a state that names them."""
    folder.mkdir(parents=True)
    names = ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"]
    half = len(rows) // 2
    arrow_stream(folder / names[0], rows[:half])
    arrow_stream(folder / names[1], rows[half:])
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "x", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return folder


def saved_splits(folder: Path, splits: Mapping[str, Rows]) -> Path:
    for name, rows in splits.items():
        saved_dataset(folder / name, rows)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def packed(path: Path, plain: Path) -> Path:
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def read(path: Path, columns: Columns | None = None) -> Read:
    return read_entries(read_rows(data_files(path)), columns or Columns())


WRITERS: Mapping[str, Callable[[Path, Rows], Path]] = {
    "t.jsonl": jsonl,
    "t.json": json_list,
    "t.csv": separated,
    "t.tsv": lambda path, rows: separated(path, rows, separator="\t"),
    "t.jsonl.gz": lambda path, rows: packed(path, jsonl(path.with_suffix(""), rows)),
    "t.csv.gz": lambda path, rows: packed(path, separated(path.with_suffix(""), rows)),
    "t.parquet": parquet,
    "dataset": saved_dataset,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_problems(name: str, tmp_path: Path) -> None:
    found = read(WRITERS[name](tmp_path / name, ROWS))
    assert [(entry.prompt, entry.answer) for entry in found.entries] == [(row["prompt"], row["answer"]) for row in ROWS]
    assert not found.rejected


@pytest.mark.parametrize("name", WRITERS)
def test_chats_survive_every_format(name: str, tmp_path: Path) -> None:
    chat = json.dumps(CHAT) if "sv" in name else CHAT
    (entry, _) = read(WRITERS[name](tmp_path / name, [{"prompt": chat, "answer": "4"}] * 2)).entries
    assert entry.prompt == (Message("system", "Be brief."), Message("user", "2 + 2?"))


def test_places_are_lines_where_there_are_lines(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text('prompt,answer\n"two\nlines",1\n\nthree,3\nonly one field\n')
    found = read(table)
    assert [entry.where for entry in found.entries] == [f"{table}, line 2", f"{table}, line 5"]
    assert str(found.rejected[0]) == f"{table}, line 6: it has 1 fields and the first line names 2 columns"
    assert [entry.where for entry in read(parquet(tmp_path / "t.parquet", ROWS[:2])).entries][1].endswith("row 2")


BAD: list[tuple[Any, str]] = [
    ("not json", "not JSON"),
    ([1], "not a JSON object"),
    ({"prompt": "p"}, "no 'answer', only 'prompt'"),
    ({"prompt": "p", "answer": None}, "answer is missing"),
    ({"prompt": "p", "answer": float("nan")}, "answer is missing"),
    ({"prompt": "p", "answer": "  "}, "answer is empty"),
    ({"prompt": "", "answer": "1"}, "prompt is empty"),
    ({"prompt": 5, "answer": "1"}, "neither a text nor a list of messages"),
    ({"prompt": [], "answer": "1"}, "neither a text nor a list of messages"),
    ({"prompt": "half \ud83d", "answer": "1"}, "lone surrogate"),
    ({"prompt": [{"role": "user"}], "answer": "1"}, "no role or no content"),
    ({"prompt": [{"role": "wizard", "content": "x"}], "answer": "1"}, "'wizard'"),
    ({"prompt": [{"role": "user", "content": [{"type": "image"}]}], "answer": "1"}, "something else than text"),
    ({"prompt": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "answer": "1"}, "assistant"),
    ({"data_source": "d", "prompt": CHAT, "reward_model": {"style": "rule"}}, "no ground_truth"),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_row_is_named_by_file_and_line_and_costs_no_other(row: Any, reason: str, tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    line = row if isinstance(row, str) else json.dumps(row)
    table.write_text(f"{json.dumps(ROWS[0])}\n{line}\n{json.dumps(ROWS[1])}\n")
    found = read(table)
    assert [entry.answer for entry in found.entries] == ["2", "4"]
    (rejected,) = found.rejected
    assert rejected.where == f"{table}, line 2"
    assert reason in rejected.reason


def test_bytes_that_are_no_text_are_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_bytes(json.dumps(ROWS[0]).encode() + b'\n{"prompt": "\xff"}\n')
    found = read(tmp_path / "t.jsonl")
    assert len(found.entries) == 1
    assert "UTF-8" in found.rejected[0].reason


def test_bad_rows_end_the_reading_unless_they_are_to_be_skipped(tmp_path: Path) -> None:
    table = jsonl(tmp_path / "t.jsonl", [*ROWS, *({"prompt": "p"} for _ in range(7))])
    with pytest.raises(ForageError, match=r"7 rows .*line 21: it has no 'answer'.*and 2 more.*skip_bad_rows"):
        open_table(table, verifier=EXACT).problems("train")
    skipping = open_table(table, verifier=EXACT, skip_bad_rows=True)
    assert len(skipping.problems("train")) + len(skipping.problems("test")) == 20
    assert any("7 rows were left out" in note for note in skipping.notes())


def test_columns_under_any_name(tmp_path: Path) -> None:
    rows = [{"question": "q?", "meta": {"gold": "Think. #### 72"}, "name": 7, "level": "easy"}]
    columns = Columns(prompt="question", answer="meta.gold", id="name", tags=("level",), answer_after="####")
    (entry,) = read(jsonl(tmp_path / "t.jsonl", rows), columns).entries
    assert (entry.prompt, entry.answer, entry.id, entry.tags) == ("q?", "72", "7", ("easy",))
    found = read(jsonl(tmp_path / "t.jsonl", [*rows, *rows, {**rows[0], "meta": {"gold": "72"}, "name": 8}]), columns)
    assert [rejected.reason.split(",")[0] for rejected in found.rejected] == [
        f"its id '7' is that of {tmp_path / 't.jsonl'}",
        "its answer does not hold '####'",
    ]


def test_a_column_of_right_responses_is_what_the_task_can_show(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} + 1?", "answer": str(n + 1), "why": f"One more. #### {n + 1}"} for n in range(12)]
    table = open_table(jsonl(tmp_path / "t.jsonl", rows), verifier=EXACT, columns=Columns(solution="why"))
    for split in ("train", "test"):
        for problem in table.problems(split):
            assert table.reference(problem) == f"One more. #### {problem.answer}"
    assert open_table(tmp_path / "t.jsonl", verifier=EXACT).reference(table.problems("train")[0]) is None
    written = parse_table(f"table:data={tmp_path / 't.jsonl'},solution=why,verifier=exact")
    assert all(written.reference(problem) for problem in written.problems("train"))
    blank = jsonl(tmp_path / "blank.jsonl", [*rows, {"prompt": "q", "answer": "a", "why": " "}])
    with pytest.raises(ForageError, match=r"line 13: its solution is empty"):
        open_table(blank, verifier=EXACT, columns=Columns(solution="why")).problems("train")
    with pytest.raises(ForageError, match="it has no 'how'"):
        open_table(blank, verifier=EXACT, columns=Columns(solution="how")).problems("train")


def test_answers_that_are_not_text_are_json(tmp_path: Path) -> None:
    values = [3, 2.5, True, [1, 2], {"a": 1}]
    found = read(jsonl(tmp_path / "t.jsonl", [{"prompt": "p", "answer": value} for value in values]))
    assert [json.loads(entry.answer) for entry in found.entries] == values


VERL = {
    "data_source": "openai/gsm8k",
    "prompt": CHAT,
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"split": "train", "index": 0},
}


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl"])
def test_verl_tables_are_read_as_they_are(name: str, tmp_path: Path) -> None:
    (entry,) = read(WRITERS[name](tmp_path / name, [VERL])).entries
    assert (entry.prompt, entry.answer, entry.tags) == (
        (Message("system", "Be brief."), Message("user", "2 + 2?")),
        "4",
        ("openai/gsm8k",),
    )


def shepherd(question: str, marks: str, answer: str) -> dict[str, str]:
    """A solution in Math-Shepherd's words: + and - are the labels of its steps."""
    steps = [f"Step {n}: work." for n in range(1, len(marks))] + [f"Step {len(marks)}: The answer is: {answer}"]
    return {
        "input": question + " " + "\n".join(f"{step} ки" for step in steps),
        "label": question + " " + "\n".join(f"{step} {mark}" for step, mark in zip(steps, marks, strict=True)),
        "task": "GSM8K",
    }


def test_math_shepherd_rows_are_solutions_and_give_one_problem_for_each_question(tmp_path: Path) -> None:
    rows = [shepherd("A?", "+-", "5"), shepherd("A?", "++", "6"), shepherd("A?", "++", "6.0"), shepherd("B?", "-", "1")]
    found = read(jsonl(tmp_path / "t.jsonl", rows))
    assert [(entry.prompt, entry.answer) for entry in found.entries] == [("A?", "6")]
    assert [str(row) for row in found.rejected] == [
        f"{tmp_path / 't.jsonl'}, line 4: none of the 1 solutions of its question is right, so no answer is known"
    ]


# ------------------------------------------------------------------------------------------------------------- splits


def test_whole_questions_are_held_out(tmp_path: Path) -> None:
    twice = [*ROWS, *({**row, "prompt": f"  {row['prompt'].upper()} "} for row in ROWS)]
    task = open_table(jsonl(tmp_path / "t.jsonl", twice), verifier=EXACT, test_share=0.25)
    train, test = task.problems("train"), task.problems("test")
    assert (len(train), len(test)) == (30, 10)
    assert not {normalized(p.prompt) for p in train} & {normalized(p.prompt) for p in test}
    assert len({problem.id for problem in (*train, *test)}) == 40
    assert task.problems("test") == decode_part(encode_part(task), Task).problems("test")


def test_what_is_held_out_depends_on_the_questions_alone(tmp_path: Path) -> None:
    task = open_table(jsonl(tmp_path / "t.jsonl", ROWS), verifier=EXACT)
    turned = open_table(jsonl(tmp_path / "u.jsonl", ROWS[::-1]), verifier=EXACT)
    assert len(task.problems("test")) == 2
    assert {p.id for p in task.problems("test")} == {p.id for p in turned.problems("test")}


def test_test_problems_that_were_trained_on_are_said(tmp_path: Path) -> None:
    train, test = jsonl(tmp_path / "train.jsonl", ROWS[:15]), tmp_path / "test.jsonl"
    jsonl(test, [ROWS[16], {"prompt": "what IS 3\u00a0+ 3?", "answer": "6"}, {**ROWS[4], "answer": "11"}])
    (leak,) = [note for note in open_table(train, test=test, verifier=EXACT).notes() if "memory" in note]
    assert leak.startswith("2 of 3 test problems")
    assert f"{test}, line 2 and {train}, line 3" in leak
    clean = open_table(train, test=jsonl(tmp_path / "clean.jsonl", ROWS[15:]), verifier=EXACT)
    assert clean.notes() == ("15 train problems and 5 test problems.",)


def test_repeated_problems_are_said(tmp_path: Path) -> None:
    task = open_table(jsonl(tmp_path / "t.jsonl", [*ROWS, ROWS[0]]), verifier=EXACT, test_share=0)
    assert len({problem.id for problem in task.problems("train")}) == 21
    assert "1 train problems repeat an earlier one, question and answer." in task.notes()


def test_a_question_with_two_answers_is_said(tmp_path: Path) -> None:
    """Compared without case, width and spacing, like everything that asks whether questions are the same."""
    extra = [{"prompt": "what is  3 + 3?", "answer": "7"}, {"prompt": "What is 4 + 4?", "answer": " 8"}]
    table = jsonl(tmp_path / "t.jsonl", [*ROWS, *extra])
    (said,) = [note for note in open_table(table, verifier=EXACT, test_share=0).notes() if "different answers" in note]
    assert said.startswith("1 train questions have two different answers")
    assert f"{table}, line 3 and {table}, line 21" in said
    clean = open_table(jsonl(tmp_path / "clean.jsonl", ROWS), verifier=EXACT, test_share=0)
    assert not any("different answers" in note for note in clean.notes())


def test_csv_of_other_countries(tmp_path: Path) -> None:
    text = "prompt;answer\nCaf\xe9?;1,5\n"
    table = written(tmp_path / "t.csv", text.encode("cp1252"))
    for delimiter in (";", "semicolon"):
        how = Separated(delimiter=delimiter, encoding="cp1252")
        (problem,) = open_table(table, verifier=EXACT, test_share=0, separated=how).problems("train")
        assert (problem.prompt, problem.answer) == ("Caf\xe9?", "1,5")
    wide = written(tmp_path / "w.csv", text.encode("utf-16"))
    task = parse_table(f"table:data={wide},test_share=0,delimiter=semicolon,encoding=utf-16,verifier=exact")
    assert task.problems("train")[0].prompt == "Caf\xe9?"
    assert decode_part(encode_part(task), Task) == task


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delimiter": "::"}, "one character"),
        ({"delimiter": "\n"}, "one character"),
        ({"encoding": "utf-99"}, "no enc"),
    ],
)
def test_ways_of_writing_that_there_are_not(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ForageError, match=words):
        Separated(**settings)


def test_answers_that_no_response_can_reach_are_bad_rows(tmp_path: Path) -> None:
    table = jsonl(
        tmp_path / "t.jsonl", [*ROWS[:3], {"prompt": "p", "answer": {"a": 1}}, {"prompt": "q", "answer": "x"}]
    )
    with pytest.raises(ForageError, match=r"2 rows.*line 4: its answer is not a number.*line 5"):
        open_table(table, verifier=parse_verifier("numeric"), test_share=0).problems("train")
    kept = open_table(table, verifier=parse_verifier("numeric"), test_share=0, skip_bad_rows=True)
    assert len(kept.problems("train")) == 3
    assert len(open_table(table, verifier=EXACT, test_share=0).problems("train")) == 5


def test_a_dataset_with_splits_brings_its_test_problems(tmp_path: Path) -> None:
    folder = saved_splits(tmp_path / "d", {"train": ROWS[:15], "validation": ROWS[15:]})
    task = open_table(folder, verifier=EXACT)
    assert (len(task.problems("train")), len(task.problems("test"))) == (15, 5)
    hub = tmp_path / "hub"
    (hub / "data").mkdir(parents=True)
    parquet(hub / "data" / "train-00000-of-00001.parquet", ROWS[:12])
    parquet(hub / "data" / "test-00000-of-00001.parquet", ROWS[12:])
    task = open_table(hub, verifier=EXACT)
    assert (len(task.problems("train")), len(task.problems("test"))) == (12, 8)
    no_test = saved_splits(tmp_path / "e", {"train": ROWS})
    assert len(open_table(no_test, verifier=EXACT).problems("test")) == 2
    with pytest.raises(ForageError, match="no split for train: it has other"):
        data_files(saved_splits(tmp_path / "f", {"other": ROWS}))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    table = jsonl(tmp_path / "t.jsonl", ROWS)
    written = encode_part(open_table(table, verifier=EXACT))
    assert len(decode_part(written, Task).problems("train")) == 18
    jsonl(table, [*ROWS[:-1], {**ROWS[-1], "answer": "0"}])
    with pytest.raises(ForageError, match="has changed since this run began"):
        decode_part(written, Task).problems("train")
    table.unlink()
    with pytest.raises(ForageError, match="There is no table at"):
        decode_part(written, Task).problems("test")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path / "none.jsonl", "There is no table at"),
        (lambda path: jsonl(path / "t.xls", ROWS), "ends in none of .jsonl"),
        (lambda path: jsonl(path / "t.jsonl", []), "has no rows"),
        (lambda path: jsonl(path / "t.jsonl", ROWS[:1]), "one question cannot hold any out"),
        (lambda path: jsonl(path / "t.parquet", ROWS), "not a readable Parquet file"),
        (lambda path: jsonl(path / "t.arrow", ROWS), "not a readable Arrow file"),
        (lambda path: path, "no .arrow or .parquet file"),
        (lambda path: empty(path / "t.csv"), "its first line must name"),
        (lambda path: written(path / "t.csv", b"prompt,answer,answer\na,1,2\n"), "two columns named 'answer'"),
        (lambda path: written(path / "t.csv", b"prompt,answer\na,1\nb\xe9,2\n"), "line 3 is not text in UTF-8"),
        (
            lambda path: written(path / "t.csv", "prompt,answer\n1,2\n".encode("utf-16")),
            "text in UTF-16, not UTF-8: say",
        ),
        (lambda path: written(path / "t.csv", "prompt,answer\n1,2\n".encode("utf-16-be")), "text in UTF-16"),
        (lambda path: written(path / "t.jsonl", '{"prompt": "a"}\n'.encode("utf-16")), "text in UTF-16, and JSON"),
        (lambda path: written(path / "t.json", '[{"prompt": "a"}]'.encode("utf-16-le")), "text in UTF-16, and JSON"),
        (lambda path: written(path / "t.jsonl.gz", b"plain"), "cannot be read"),
        (lambda path: written(path / "t.csv.gz", gzip.compress(b"a" * 9999)[:-20]), "cannot be read"),
        (lambda path: written(path / "t.parquet.gz", b"x"), "ends in none of"),
    ],
)
def test_tables_that_cannot_be_read_are_sentences(make: Callable[[Path], Path], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match=sentence):
        open_table(make(tmp_path), verifier=EXACT).problems("train")


def test_settings_that_contradict_are_refused(tmp_path: Path) -> None:
    table = TableFile(path=str(jsonl(tmp_path / "t.jsonl", ROWS)))
    with pytest.raises(ForageError, match="not both"):
        Table(train=table, test=table, test_share=0.1, verifier=EXACT)
    with pytest.raises(ForageError, match="needs a table"):
        Table(verifier=EXACT)
    with pytest.raises(ForageError, match="no test problems"):
        Table(train=table, verifier=EXACT).problems("test")


# ------------------------------------------------------------------------------------------------------------ prompts

TURNS = (Message("system", "own"), Message("user", "q"))


def test_prompts_in_both_forms() -> None:
    assert render("q", system="", template="none") == "q"
    assert render("q", system="s", template="none") == "s\n\nq"
    assert render("q", system="s", template="chat") == (Message("system", "s"), Message("user", "q"))
    assert render(TURNS, system="", template="chat") == TURNS
    assert render(TURNS, system="s", template="chat") == (Message("system", "s\n\nown"), TURNS[1])
    assert render(TURNS, system="s", template="none") == "s\n\nown\n\nq"


def test_prompts_that_ask_the_same_are_the_same() -> None:
    assert normalized("  What is\n\uff11 + 1? ") == normalized("what IS 1 + 1?")
    assert normalized(TURNS) == normalized("Q")
    assert normalized("1 + 1") != normalized("1 - 1")


def test_a_row_without_values_is_rejected_with_its_reason() -> None:
    found = read_entries([Row("here", None, "why"), Row("there", {"prompt": "p", "answer": "a"})], Columns())
    assert found.entries == (Entry("there", "p", "a"),)
    assert [str(row) for row in found.rejected] == ["here: why"]


def test_steps_end_where_the_rule_says(tmp_path: Path) -> None:
    table = jsonl(tmp_path / "t.jsonl", ROWS)
    pieces = ["Step 1:", " one.", "\n", "Step 2:", " two. ", "Three."]
    ends = {
        rule: open_table(table, verifier=EXACT, steps=rule).step_ends(pieces)
        for rule in ("newline", "sentence", "label", "code_line")
    }
    assert ends == {"newline": (3, 6), "sentence": (3, 5, 6), "label": (3, 6), "code_line": (3, 6)}
