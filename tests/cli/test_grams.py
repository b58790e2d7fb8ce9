"""`forage grams`: from the places where solutions lie to a list, and what is said where that fails."""

import json
from pathlib import Path
from typing import Any

import pytest

from forage.cli import main
from forage.cli.solutions import correct_solutions
from forage.core.errors import ForageError
from forage.core.records import Problem
from forage.core.serialize import encode_part
from forage.evaluation.samples import Sample, SampleCache, Shard
from forage.grams.gram_list import load_grams
from forage.store.run_directory import RunDirectory
from forage.tasks.countdown import Countdown

SOLUTIONS = [
    f"let us try {word} again so that it holds. the rest is {word} of course" for word in ("one", "two", "six")
]


def row(text: str, correct: float, step: int = 1) -> dict[str, Any]:
    lists = {
        name: [] for name in ("prefix", "pieces", "tokens", "given", "logprobs", "entropies", "advantages", "values")
    }
    numbers = {"step": step, "group": 0, "sibling": 0, "reward": correct, "correct": correct, "mode": None}
    return {**lists, **numbers, "problem": "p", "prompt": "?", "text": text, "stop": "eos"}


def run_with(path: Path, *steps: list[dict[str, Any]]) -> Path:
    run = RunDirectory.create(path, {})
    with run.lock():
        for number, rows in enumerate(steps, 1):
            run.write_rollouts(number, rows)
    return path


def write_samples(folder: Path, texts: list[tuple[str, bool]], **about: str) -> None:
    cache = SampleCache.open(folder / "evals" / "samples", {"seed": 0, "split": "train", **about})
    samples = [
        Sample(
            problem=about.get("problem", "p"),
            sample=number,
            text=text,
            length=1,
            entropy=0.0,
            truncated=False,
            judged=True,
            correct=correct,
            committed=True,
            answer=None,
        )
        for number, (text, correct) in enumerate(texts)
    ]
    problem = Problem(id=about.get("problem", "p"), prompt="?", answer="", task="toy")
    cache.write(Shard((problem,), 0, len(samples)), samples, 1.0)


def test_a_run_gives_its_correct_rollouts_in_order(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", [row("a", 1), row("b", 0), row("c", float("nan"))], [row("d", 1, 2)])
    write_samples(run, [("e", True)])
    assert list(correct_solutions(run)) == ["a", "d"]


def test_a_run_without_rollouts_and_a_model_folder_give_their_samples(tmp_path: Path) -> None:
    for folder in (run_with(tmp_path / "run"), tmp_path / "model"):
        write_samples(folder, [("a", True), ("b", False), ("c", True)])
        write_samples(folder, [("test", True)], split="test")
        assert list(correct_solutions(folder)) == ["a", "c"]
        assert list(correct_solutions(folder, "test")) == ["test"]


def test_solutions_of_test_problems_are_asked_for_by_name(tmp_path: Path) -> None:
    write_samples(tmp_path, [("a", True)], split="test")
    with pytest.raises(ForageError, match=r"no correct sample of a train problem\. Sample it: .* --split train"):
        list(correct_solutions(tmp_path))


def test_a_cache_that_does_not_name_its_split_is_told_by_its_problems(tmp_path: Path) -> None:
    task = Countdown()
    rows = [(split, task.problems(split)[0]) for split in ("train", "test")]
    about = json.dumps({"format": "forage samples 1", "task": encode_part(task)})
    for split, problem in rows:
        write_samples(tmp_path / "made", [(split, True)], split=split, problem=problem.id)
    folder = tmp_path / "old" / "evals" / "samples" / "0123"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(about)
    for number, path in enumerate(sorted((tmp_path / "made").rglob("*.parquet"))):
        (folder / f"{number}-000000.parquet").write_bytes(path.read_bytes())
    assert list(correct_solutions(tmp_path / "old")) == ["train"]
    assert list(correct_solutions(tmp_path / "old", "test")) == ["test"]


def test_files_of_solutions(tmp_path: Path) -> None:
    lines = [{"solution": "a"}, {"text": "b", "correct": True}, {"response": "c", "correct": 0.5}, {"completion": "d"}]
    (tmp_path / "s.jsonl").write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    assert list(correct_solutions(tmp_path / "s.jsonl")) == ["a", "b", "d"]
    (tmp_path / "s.txt").write_text("one\n\n  \ntwo\n")
    assert [line.strip() for line in correct_solutions(tmp_path / "s.txt")] == ["one", "two"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "Line 1 of .* is not JSON"),
        (b'{"solution": "a"}\n{"other": 1}', "Line 2 of .* has no solution"),
        (b"[]", "Line 1 of .* has no solution"),
        (b"\xff\xfe", "not a text file in UTF-8"),
    ],
)
def test_damaged_files_are_sentences(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "s.jsonl").write_bytes(content)
    with pytest.raises(ForageError, match=sentence):
        list(correct_solutions(tmp_path / "s.jsonl"))


def test_nothing_to_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="does not exist"):
        correct_solutions(tmp_path / "none")
    with pytest.raises(ForageError, match="neither rollouts nor evaluation samples"):
        correct_solutions(tmp_path)
    write_samples(tmp_path, [("a", True)])
    (damaged,) = (tmp_path / "evals" / "samples").rglob("*.parquet")
    damaged.write_bytes(b"PAR1")
    with pytest.raises(ForageError, match="cannot be read"):
        list(correct_solutions(tmp_path))


def test_mine_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, out = run_with(tmp_path / "run", [row(text, 1) for text in SOLUTIONS]), tmp_path / "grams.json"
    assert main(["grams", "mine", str(run), "--out", str(out), "--words", "2-3", "--radius", "0.1"]) == 0
    said = capsys.readouterr().err
    assert "from 3 solutions" in said
    assert f"hicra:grams={out}" in said
    found = load_grams(str(out))
    assert {"let us try", "so that it"} <= set(found.grams)
    assert found.made["source"] == str(run)
    assert found.made["n"] == "2-3"
    assert main(["grams", "show", str(out), "--max-examples", "1"]) == 0
    shown = capsys.readouterr().out
    assert found.id in shown
    assert "3 (100%)" in shown
    assert "Coverage" in shown
    assert main(["grams", "show", "phrases"]) == 0
    assert "not the paper's list" in capsys.readouterr().out


def test_a_placebo_that_cannot_match_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.txt").write_text("let us try\nlet us try\n")
    assert main(["grams", "mine", str(tmp_path / "s.txt"), "--out", str(tmp_path / "g.json"), "--words", "3"]) == 0
    assert "there were not enough other phrases" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "forage grams mine|show"),
        (["dig"], "forage grams mine|show"),
        (["mine", "s.txt", "--out", "g.json", "--words", "many"], "--words takes the words of a phrase"),
        (["mine", "nowhere", "--out", "g.json"], "does not exist"),
        (["show", "nowhere.json"], "There is no gram list"),
    ],
)
def test_mistakes_are_sentences(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grams", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["grams", "--help"]) == 0
    out = capsys.readouterr().out
    assert "usage: forage grams mine|show" in out
    assert "Mines strategic phrases" in out or "  mine  " in out
    assert main(["grams", "mine", "--help"]) == 0
    assert "--min-solutions" in capsys.readouterr().out
