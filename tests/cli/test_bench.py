"""`forage bench`: from arms, controls and seeds to differences with intervals."""

import shutil
from pathlib import Path

import pytest

from forage.bench.fork_server import ForkServer
from forage.cli import main
from forage.store.run_directory import RunDirectory
from support.forked_servers import SetAside

SMALL = ["--groups", "2", "--group-size", "2", "--max-tokens", "16", "--threads", "1", "--matmul", "highest"]


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("bench-base") / "base"))


def bench(base: Path, out: Path, *more: str) -> int:
    arms = ["--arm", "grpo+entropy_advantage:alpha=0.2", "--control", "shuffled_entropy", "--seeds", "3"]
    kept = ["--out", str(out), "--n", "2", "--k", "1,2"]
    return main(["bench", "countdown", "--model", str(base), "--steps", "1", *SMALL, *arms, *kept, *more])


def test_arms_and_controls_are_trained_compared_and_reported(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(base, tmp_path) == 0
    out = capsys.readouterr().out
    assert "Differences from grpo + entropy_advantage:alpha=0.2" in out
    assert "grpo + shuffled_entropy:alpha=0.2" in out
    runs = sorted(tmp_path.glob("*-seed3"))
    assert [RunDirectory.open(run).recipe()["seed"] for run in runs] == [3, 3]
    assert (tmp_path / "report.html").stat().st_size > 100_000

    before = [(run / "metrics.jsonl").read_bytes() for run in runs]
    assert bench(base, tmp_path) == 0, "given again, it finds all done"
    assert [(run / "metrics.jsonl").read_bytes() for run in runs] == before
    assert capsys.readouterr().out == out

    assert bench(base, tmp_path, "--lr", "0.5") == 2
    assert "other settings" in capsys.readouterr().err


def test_several_runs_at_a_time(
    base: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    set_aside: SetAside,
) -> None:
    monkeypatch.setattr("forage.bench.train.ForkServer", lambda: ForkServer(launch=set_aside.launch))
    assert bench(base, tmp_path, "--processes", "2") == 0
    assert "Differences from" in capsys.readouterr().out
    runs = sorted(path for path in tmp_path.glob("*-seed3"))
    assert len(runs) == 2
    for run in runs:
        log = run.with_name(f"{run.name}.log").read_text()
        assert "train grpo" in log
        assert "resume grpo" not in log
        assert "Saved:" in log
