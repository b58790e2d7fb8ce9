"""Modes of a user's own problems: canonical answers, or a function of theirs, which runs where it can be killed."""

import json
from pathlib import Path
from typing import Any

import pytest

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem
from forage.core.serialize import decode_part, encode_part
from forage.engines.identity import task_versions
from forage.tasks.gym import Gym
from forage.tasks.names import parse_task
from forage.tasks.table import Table, open_table
from forage.tasks.verifiers import parse_verifier
from forage.verification.judge import InlineJudge, WorkerJudge

SOURCE = """
import time

def accept(problem, text):
    return text.strip().split()[0] in ("2", "-2")

def root(problem, text):
    if "hang" in text:
        time.sleep(60)
    return None if "unsure" in text else "negative" if "-" in text else "positive"

def number(problem, text):
    return 2
"""


def table(folder: Path, **settings: Any) -> Table:
    (folder / "roots.jsonl").write_text(json.dumps({"prompt": "x * x = 4", "answer": "2"}) + "\n")
    return open_table(folder / "roots.jsonl", test_share=0.0, **settings)


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "root_checks.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_table_has_no_modes_unless_they_are_named(tmp_path: Path) -> None:
    task = table(tmp_path, verifier=parse_verifier("exact"))
    problem = task.problems("train")[0]
    assert not task.has_modes
    assert task.mode(problem, "2") is None
    with InlineJudge(task) as judge:
        assert judge.submit(problem, ["2"]).result()[0].mode is None


def test_canonical_answers_are_modes_where_asked(tmp_path: Path) -> None:
    task = table(tmp_path, verifier=parse_verifier("exact"), modes="answer")
    problem = task.problems("train")[0]
    assert task.has_modes
    with InlineJudge(task) as judge:
        right, marked, wrong = judge.submit(problem, ["2", "So it is <answer> 2 </answer>", "3"]).result()
    assert right.mode == marked.mode == "2"
    assert wrong.mode is None


def test_a_function_names_modes_in_a_process_that_can_be_killed(functions: Path) -> None:
    task = table(functions, verifier=parse_verifier("exact"), modes="python:root_checks:root")
    problem = task.problems("train")[0]
    assert task.hangs, "the function may hang"
    assert task.quick(problem, "2") is None, "what is right goes to a worker, which alone may call the function"
    assert task.quick(problem, "3") == task.verify(problem, "3")
    assert decode_part(encode_part(task), Task) == task
    assert task_versions(task)["root_checks:root"]
    own = table(functions, verifier=parse_verifier("python:root_checks:accept"), modes="python:root_checks:root")
    with WorkerJudge(own, workers=1, deadline=1.0, overrun="unjudged") as judge:
        texts = ["2", "-2", "2 unsure", "5", "2 hang", "2"]
        scores = judge.submit(problem, texts).result()
    assert [score.mode for score in scores] == ["positive", "negative", None, None, None, "positive"]
    assert [score.judged for score in scores] == [True, True, True, True, False, True]


def test_what_a_function_returns_must_be_a_name(functions: Path) -> None:
    task = table(functions, verifier=parse_verifier("exact"), modes="python:root_checks:number")
    with pytest.raises(ForageError, match="must return the name of a mode"):
        task.mode(task.problems("train")[0], "2")


def test_names_of_modes_are_checked(tmp_path: Path) -> None:
    for modes, words in (("answers", "not 'answers'"), ("python:nothing", "module:function")):
        with pytest.raises(ForageError, match=words):
            table(tmp_path, verifier=parse_verifier("exact"), modes=modes)
        with pytest.raises(ForageError, match=words):
            Gym(dataset="countdown", modes=modes)


def test_modes_as_text(tmp_path: Path) -> None:
    table(tmp_path, verifier=parse_verifier("exact"))
    task = parse_task(f"table:data={tmp_path / 'roots.jsonl'},test_share=0,modes=answer,verifier=exact")
    assert isinstance(task, Table)
    assert task.modes == "answer"


def test_gym_answers_are_modes_where_asked() -> None:
    problem = Problem("gym:x:0:0", "?", json.dumps({"answer": "2", "seed": 0, "index": 0}), "gym")
    assert not Gym(dataset="countdown").has_modes
    task = Gym(dataset="countdown", modes="answer")
    assert task.has_modes
    assert task.mode(problem, "thinking <answer>1  + 1</answer>") == "1 + 1"
