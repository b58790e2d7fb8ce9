"""`forage train` and `forage resume`: trying a recipe, saying nothing, going on longer, and one sentence at the end."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from forage.cli import main
from forage.core.errors import ForageError
from forage.store.run_directory import RunDirectory

SMALL = ["--groups", "2", "--group-size", "2", "--max-tokens", "12", "--threads", "1", "--matmul", "highest"]


def train(base: Path, out: Path, *more: str) -> int:
    return main(["train", "countdown", "--model", str(base), "--steps", "2", *SMALL, "--out", str(out), *more])


def test_a_dry_run_tells_and_writes_nothing(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tiny_base, tmp_path / "run", "--dry-run") == 0
    out = capsys.readouterr().out
    for words in ("160 train problems; prompts of", "64 test problems", "Memory: at least", "The verifier: value"):
        assert words in out
    assert not (tmp_path / "run").exists()


def test_quiet_says_nothing_and_steps_goes_on(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tiny_base, tmp_path / "run", "--quiet") == 0
    assert main(["resume", str(tmp_path / "run"), "--steps", "3", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert [row["step"] for row in RunDirectory.open(tmp_path / "run").metrics()] == [1, 2, 3]
    assert main(["resume", str(tmp_path / "run"), "--steps", "1"]) == 2
    assert "taken 3 steps already" in capsys.readouterr().err


@pytest.mark.parametrize("signals", [1, 2, 10])
def test_any_number_of_interrupts_is_one_sentence(
    signals: int, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunDirectory.append_metrics

    def interrupted(run: RunDirectory, row: Any) -> None:
        append(run, row)
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunDirectory, "append_metrics", interrupted)
    assert train(tiny_base, tmp_path / "run") == 130
    sentences = [line for line in capsys.readouterr().err.splitlines() if line.startswith("forage train")]
    assert sentences == [
        f"forage train: Interrupted after step 1 of 2; all is saved. Go on with: forage resume {tmp_path / 'run'}"
    ]
    assert RunDirectory.open(tmp_path / "run").checkpoints() == [1]


@pytest.mark.parametrize("error", [RuntimeError("from C++"), ForageError("The model could not be loaded.")])
def test_an_interrupt_that_a_library_turns_into_an_error_is_still_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loses(name: str, argv: Any) -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            raise error

    monkeypatch.setattr("forage.cli._run_module", loses)
    assert main(["methods"]) == 130
    assert capsys.readouterr().err.startswith("forage methods: interrupted (")
