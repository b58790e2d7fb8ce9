"""A comparison by exact numbers: worlds by seed, kept results, the base beside them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from forage.base_models.colouring import ColoringBase
from forage.base_models.tiny_model import build
from forage.bench.exact import BASE, check_exact, counted_once, exact_numbers, exact_pairs
from forage.bench.plan import Bench, BenchSettings, plan_bench
from forage.bench.train import train_bench
from forage.cli import main
from forage.core.errors import ForageError
from forage.recipes import RECIPES
from forage.tasks.colouring import ColoringTask, graphs
from forage.training.exact import exact_evaluation
from support.bench_settings import settings_of

ARMS = ("dr_grpo", "dr_grpo+mode_diversity", "dr_grpo+mode_diversity_random")
SMALL = ["--steps", "1", "--groups", "2", "--group-size", "4", "--threads", "1", "--matmul", "highest"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = ColoringBase(
        answers="short", traces=800, steps=40, batch=32, layers=1, hidden=32, heads=2, head_dim=16, inner=48
    )
    return build(settings, tmp_path_factory.mktemp("colouring") / "base", progress=False)


@pytest.fixture(autouse=True)
def few_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact numbers are means over problems: a few are enough to see whose they are."""
    monkeypatch.setattr("forage.tasks.colouring.test_graphs", lambda amount: graphs.test_graphs(min(amount, 32)))


def planned(base: Path, out: Path, **more: object) -> Bench:
    settings = settings_of(base, "colouring")
    comparison = {"arms": ARMS, "controls": (), "seeds": (3, 4), "n": 1, "ks": (1, 8), "exact": True, **more}
    return plan_bench(RECIPES["colouring"], settings, BenchSettings(**comparison), out=out)  # pyright: ignore[reportArgumentType]


def worlds(bench: Bench) -> list[tuple[int, int]]:
    found = [(recipe.task, recipe.seed) for recipe in bench.runs.values()]
    return [(task.seed, seed) for task, seed in found if isinstance(task, ColoringTask)]


def test_each_seed_has_a_world_where_that_is_asked_for(base: Path, tmp_path: Path) -> None:
    assert worlds(planned(base, tmp_path, worlds=True)) == [(3, 3)] * 3 + [(4, 4)] * 3
    assert worlds(planned(base, tmp_path)) == [(0, 3)] * 3 + [(0, 4)] * 3


def test_worlds_without_exact_numbers_or_seeds_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ForageError, match="is not pooled"):
        planned(base, tmp_path, worlds=True, exact=False, n=16)
    comparison = BenchSettings(arms=("grpo",), controls=(), seeds=(0,), n=1, ks=(1,), exact=True, worlds=True)
    with pytest.raises(ForageError, match="but one world"):
        plan_bench(RECIPES["countdown"], settings_of(base), comparison, out=tmp_path)


def test_a_task_that_cannot_list_its_answers_is_refused(base: Path, tmp_path: Path) -> None:
    comparison = BenchSettings(arms=("grpo",), controls=(), seeds=(0,), n=1, ks=(1,), exact=True)
    with pytest.raises(ForageError, match="'countdown' cannot list"):
        check_exact(plan_bench(RECIPES["countdown"], settings_of(base), comparison, out=tmp_path))


def test_arms_are_compared_with_the_base_the_first_and_their_controls(base: Path, tmp_path: Path) -> None:
    plain, ips, control = (arm.replace("+", " + ") for arm in ARMS)
    pairs = [(plain, BASE), (ips, plain), (control, plain), (ips, control)]
    assert exact_pairs(planned(base, tmp_path)) == pairs


def test_by_command_it_is_what_every_run_says_and_is_kept(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arms = tmp_path / "arms.txt"
    arms.write_text("\n".join(ARMS[:2]))
    words = ["bench", "colouring", "--model", str(base), "--arms-file", str(arms), "--exact", "--worlds"]
    words += ["--seeds", "3,4"]
    words += ["--k", "1,8", "--json", "--out", str(tmp_path / "bench"), *SMALL]
    assert main(words) == 0
    out = json.loads(capsys.readouterr().out)
    levels = {row["arm"]: row for row in out["exact"]["rows"]}
    runs = sorted(path for path in (tmp_path / "bench").iterdir() if path.name.startswith("dr_grpo-seed"))
    truth = [exact_evaluation(path, ks=(1, 8)).summary() for path in runs]
    assert len(truth) == 2
    assert levels["dr_grpo"]["seeds"] == 2
    for name in ("pass@1", "pass@8", "distinct@8", "PCMD"):
        wanted = sum(each[name.lower()] for each in truth) / 2
        assert levels["dr_grpo"][name] == pytest.approx(wanted, abs=1e-9), name
    own = [row["pass@1"] for row in out["runs"] if row["arm"] == "dr_grpo"]
    assert own == pytest.approx([each["pass@1"] for each in truth], abs=1e-9)
    assert {(row["arm"], row["seed"]) for row in out["runs"]} == {(arm, seed) for arm in levels for seed in (3, 4)}
    gaps = {row["difference"]: row for row in out["differences"]["rows"]}
    gap = levels["dr_grpo"]["pass@1"] - levels["base"]["pass@1"]
    assert gaps["dr_grpo minus base"]["pass@1"][0] == pytest.approx(gap, abs=1e-9)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("exact.json")}
    assert len(kept) == 4
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out) == out
    assert kept == {path: path.stat().st_mtime_ns for path in kept}


def test_other_ks_are_computed_anew_and_a_shared_base_counts_once(base: Path, tmp_path: Path) -> None:
    said: list[Sequence[str]] = []

    def here(arguments: Sequence[str]) -> None:
        said.append(arguments)
        assert main(list(arguments)) == 0

    bench = planned(base, tmp_path, arms=("dr_grpo",), seeds=(0, 1))
    train_bench(bench, here, lambda done, total, note="": None)
    train_bench(replace(bench, ks=(1, 4)), here, lambda done, total, note="": None)
    assert [words[0] for words in said] == ["resume", "eval"] * 4
    numbers = exact_numbers(replace(bench, ks=(1, 4)))
    assert set(numbers) == {(arm, seed) for arm in (BASE, "dr_grpo") for seed in (0, 1)}
    assert set(counted_once(numbers)) == {(BASE, 0), ("dr_grpo", 0), ("dr_grpo", 1)}
    assert "pass@4" in numbers["dr_grpo", 0]


def test_a_k_without_sense_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ForageError, match="0"):
        BenchSettings(arms=ARMS, controls=(), seeds=(0,), n=1, ks=(0, 8), exact=True)
