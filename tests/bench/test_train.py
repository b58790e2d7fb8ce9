"""Training what a comparison consists of: in order or several at a time, with progress, and no loss where one fails."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from forage.bench.fork_server import ForkServer
from forage.bench.plan import Bench, BenchSettings, plan_bench
from forage.bench.train import train_bench
from forage.core.errors import DiskFull, ForageError
from forage.recipes import RECIPES
from forage.training.loop import resume, train
from support.bench_settings import settings_of
from support.forked_servers import SetAside

Progress = list[tuple[int, int, str]]


def planned(base: Path, out: Path, arms: Sequence[str], processes: int = 1, **more: object) -> Bench:
    settings = settings_of(base, groups=2, group_size=2, max_tokens=16, **more)
    comparison = BenchSettings(arms=arms, controls=(), seeds=(3,), n=2, ks=(1,), processes=processes)
    return plan_bench(RECIPES["countdown"], settings, comparison, out=out)


def test_progress_counts_the_steps_of_all_runs(tiny_base: Path, tmp_path: Path) -> None:
    def here(arguments: Sequence[str]) -> None:
        if arguments[0] == "resume":
            resume(arguments[1])

    told: Progress = []
    bench = planned(tiny_base, tmp_path, ("grpo", "dr_grpo"))
    train_bench(bench, here, lambda done, total, note="": told.append((done, total, note)))
    assert told == [(2, 4, ""), (4, 4, "")]


def test_what_is_under_way_is_named(tiny_base: Path, tmp_path: Path) -> None:
    bench = planned(tiny_base, tmp_path, ("grpo",))
    path = next(iter(bench.runs))

    def here(arguments: Sequence[str]) -> None:
        if arguments[0] == "resume":
            (path / "metrics.jsonl").write_text('{"step": 1}\n')  # another process is at the run's first step

    told: Progress = []
    train_bench(bench, here, lambda done, total, note="": told.append((done, total, note)))
    assert told == [(1, 2, f"{path.name} 1")]


def test_a_run_that_its_budget_of_tokens_ended_has_taken_its_steps(tiny_base: Path, tmp_path: Path) -> None:
    bench = planned(tiny_base, tmp_path, ("grpo",), tokens=50)
    path = next(iter(bench.runs))

    def here(arguments: Sequence[str]) -> None:
        if arguments[0] == "resume":
            (path / "metrics.jsonl").write_text('{"step": 1, "tokens": 60}\n')

    told: Progress = []
    train_bench(bench, here, lambda done, total, note="": told.append((done, total, note)))
    assert told == [(2, 2, "")]


def test_what_is_trained_starts_no_process(tiny_base: Path, tmp_path: Path) -> None:
    bench = planned(tiny_base, tmp_path, ("grpo", "dr_grpo"), processes=2)
    asked: list[Sequence[str]] = []
    for path, recipe in bench.runs.items():
        train(recipe, out=path)
    train_bench(bench, asked.append, lambda done, total, note="": None)
    assert [arguments[:2] for arguments in asked] == [
        [command, str(path)] for path in bench.runs for command in ("resume", "eval")
    ]
    assert not list(tmp_path.glob("*.log"))


def test_the_run_that_fails_in_a_process_is_named_and_the_others_stay(
    tiny_base: Path, tmp_path: Path, set_aside: SetAside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forage.bench.train.ForkServer", lambda: ForkServer(launch=set_aside.launch))
    bench = planned(tiny_base, tmp_path, ("grpo", "dr_grpo"), processes=2)
    first, second = bench.runs

    def never(arguments: Sequence[str]) -> None:
        raise AssertionError(arguments)

    (tmp_path / second.name).mkdir()  # no run: `forage resume` refuses it
    sentence = f"1 of 2 runs failed. {second.name}: .*{second.name} ended with code 2"
    with pytest.warns(UserWarning, match="The other runs go on"), pytest.raises(ForageError, match=sentence):
        train_bench(bench, never, lambda done, total, note="": None)
    assert (first / "metrics.jsonl").exists()


def test_runs_behind_the_run_that_fails_are_trained_too(tiny_base: Path, tmp_path: Path) -> None:
    bench = planned(tiny_base, tmp_path, ("grpo", "dr_grpo", "rloo"))
    first, *others = bench.runs
    trained: list[str] = []

    def here(arguments: Sequence[str]) -> None:
        if arguments[1] == str(first):
            raise ForageError("This arm cannot.")
        trained.append(arguments[1])

    with pytest.warns(UserWarning, match="The other runs"), pytest.raises(ForageError, match="1 of 3 runs failed"):
        train_bench(bench, here, lambda done, total, note="": None)
    assert set(trained) == {str(path) for path in others}


def test_a_full_disk_ends_them_all(tiny_base: Path, tmp_path: Path) -> None:
    bench = planned(tiny_base, tmp_path, ("grpo", "dr_grpo"))
    asked: list[Sequence[str]] = []

    def here(arguments: Sequence[str]) -> None:
        asked.append(arguments)
        raise DiskFull("No space is left.")

    with pytest.raises(DiskFull):
        train_bench(bench, here, lambda done, total, note="": None)
    assert len(asked) == 1
