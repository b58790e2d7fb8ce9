"""Which runs a comparison consists of."""

from pathlib import Path

import pytest

from forage.bench.plan import BenchSettings, plan_bench
from forage.core.errors import ForageError
from forage.recipes import RECIPES
from forage.training.loop import begin
from support.bench_settings import settings_of

ARMS = ("grpo", "grpo+entropy_advantage")


def bench_settings(**more: object) -> BenchSettings:
    return BenchSettings(**{"arms": ARMS, "controls": (), "seeds": (3, 4), "n": 4, "ks": (1, 2), **more})  # pyright: ignore[reportArgumentType]


def test_arms_by_seeds_all_arms_of_a_seed_first(tiny_base: Path, tmp_path: Path) -> None:
    bench = plan_bench(RECIPES["countdown"], settings_of(tiny_base), bench_settings(), out=tmp_path)
    assert [(recipe.methods, recipe.seed) for recipe in bench.runs.values()] == [
        (("grpo",), 3),
        (("grpo", "entropy_advantage"), 3),
        (("grpo",), 4),
        (("grpo", "entropy_advantage"), 4),
    ]
    assert all(path.parent == tmp_path for path in bench.runs)
    assert len({recipe.engine for recipe in bench.runs.values()}) == 1, "all compute alike"


def test_without_arms_there_is_one(tiny_base: Path, tmp_path: Path) -> None:
    bench = plan_bench(RECIPES["countdown"], settings_of(tiny_base), bench_settings(arms=()), out=tmp_path)
    assert {recipe.methods for recipe in bench.runs.values()} == {("grpo",)}


def test_a_run_with_other_settings_is_refused_before_any_begins(tiny_base: Path, tmp_path: Path) -> None:
    build, settings = RECIPES["countdown"], settings_of(tiny_base)
    bench = plan_bench(build, settings, bench_settings(), out=tmp_path)
    path, recipe = next(iter(bench.runs.items()))
    begin(recipe, path)
    assert plan_bench(build, settings, bench_settings(), out=tmp_path).runs == bench.runs, "the same again"
    with pytest.raises(ForageError, match="other settings"):
        plan_bench(build, {**settings, "lr": 0.5}, bench_settings(), out=tmp_path)


@pytest.mark.parametrize(("more", "sentence"), [({"processes": 0}, "`processes`"), ({"ks": (8,)}, "8")])
def test_settings_without_sense_are_refused(more: dict[str, object], sentence: str) -> None:
    with pytest.raises(ForageError, match=sentence):
        bench_settings(**more)
