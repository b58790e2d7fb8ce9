"""Code problems from end to end: the tiny world with restarts from lines, and a user's file from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from forage.base_models.code import CodeBase
from forage.base_models.tiny_model import build
from forage.cli import main
from forage.methods import grpo, ppo, rrl
from forage.recipes import code
from forage.store.run_directory import RunDirectory
from forage.tasks.code import TinyCode
from forage.tasks.code.language import WORDS
from forage.training.loop import train
from support.own_world import write_model, write_table

PROBLEMS = [
    {
        "id": f"plus-{n}",
        "question": f"Add {n}.",
        "input_output": json.dumps({"fn_name": "f", "inputs": [[1], [5]], "outputs": [1 + n, 5 + n]}),
        "starter_code": "def f(x):\n",
    }
    for n in range(6)
]

SMALL = ["--steps", "1", "--groups", "2", "--group-size", "2", "--max-tokens", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It writes programs, seldom right ones."""
    settings = CodeBase(traces=800, steps=80, batch=32, warmup=5, lr=1e-2, layers=1, hidden=32, heads=1, inner=48)
    return build(settings, tmp_path_factory.mktemp("base") / "code", progress=False)


@pytest.mark.parametrize("critic", [False, True], ids=["continuations", "critic"])
def test_replay_restarts_behind_whole_lines(critic: bool, base: Path, tmp_path: Path) -> None:
    """Whatever a prefix says, it ends where a line of the program ends, and new tokens go on from there."""
    settings = {"collect": 1.0, "replay": 0.25, "share": 0.5, "margin": -1.0, "rescore_every": 0}
    replay = rrl(value="critic", **settings) if critic else rrl(continuations=2, **settings)
    recipe = code(
        model=str(base),
        method=[ppo(critic_warmup=1) if critic else grpo(), replay],
        steps=5,
        groups=2,
        group_size=2,
        train_problems=8,
        rollouts_every=1,
        threads=1,
    )
    train(recipe, out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    found = [row for step in range(1, 6) for row in run.rollouts(step)]
    prefixes = {tuple(row["prefix"]) for row in found if len(row["prefix"])}
    assert prefixes
    assert all(_says(prefix).endswith("\n") for prefix in prefixes)
    whole = [tuple(row["tokens"]) for row in found if not len(row["prefix"])]
    for prefix in prefixes:
        source = next(tokens for tokens in whole if tokens[: len(prefix)] == prefix)
        assert len(prefix) in TinyCode().step_ends([WORDS[token] for token in source])
    assert all(row["unjudged"] == 0 for row in run.metrics())


def test_a_file_of_problems_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_file, test_file = write_table(tmp_path / "a.jsonl", PROBLEMS), write_table(tmp_path / "b.jsonl", PROBLEMS[:2])
    model = write_model(tmp_path / "model")
    data = ["--data", str(train_file), "--test", str(test_file)]
    run = str(tmp_path / "run")
    assert main(["train", "code", *data, "--model", str(model), *SMALL, "--out", run]) == 0, capsys.readouterr().err
    (row,) = RunDirectory.open(tmp_path / "run").metrics()
    assert row["unjudged"] == 0
    assert row["passed"] >= row["correct"] >= 0
    assert main(["eval", run, "--n", "2", "--k", "1,2", "--max-tokens", "8", "--threads", "1"]) == 0
    assert "pass@1" in capsys.readouterr().out
    write_table(test_file, PROBLEMS[:3])
    assert main(["eval", run, "--n", "2", "--k", "1,2"]) == 2
    assert "has changed since this run was made" in " ".join(capsys.readouterr().err.split())


def test_mistakes_about_files_are_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_table(tmp_path / "a.jsonl", PROBLEMS)
    bad = write_table(tmp_path / "b.jsonl", [PROBLEMS[0], {"question": "Add 1."}])
    model = write_model(tmp_path / "model")
    for arguments, words in (
        (["--data", str(good)], "want a model and problems to evaluate on"),
        (["--data", str(bad), "--test", str(good), "--model", str(model)], "b.jsonl:2: a code problem has"),
    ):
        assert main(["train", "code", *arguments, *SMALL, "--out", str(tmp_path / "run")]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def _says(tokens: Sequence[int]) -> str:
    return "".join(WORDS[token] for token in tokens)
