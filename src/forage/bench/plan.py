"""What a comparison trains and how it evaluates that: arms by seeds, each in a run directory of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forage.bench.arms import parse_arm, with_controls
from forage.core.errors import ForageError
from forage.evaluation.estimate import check_ks
from forage.methods import METHODS
from forage.training.loop import default_directory, open_recipe, settle
from forage.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What is compared, and how.

    `arms` and `controls` are as they are typed (`parse_arm`, `with_controls`); without arms there is one, GRPO. `n`
    responses to every test problem estimate pass@k for `ks`. `processes` runs train at a time. Raises ForageError for
    what makes no sense.
    """

    arms: Sequence[str]
    controls: Sequence[str]
    seeds: Sequence[int]
    n: int
    ks: Sequence[int]
    processes: int = 1

    def __post_init__(self) -> None:
        check_ks(self.n, self.ks)
        if self.processes < 1:
            raise ForageError(f"`processes` is how many runs train at a time, 1 or more, not {self.processes}.")


@dataclass(frozen=True)
class Bench:
    """Run directory -> what is trained in it, all arms of a seed before the next seed; and how they are evaluated."""

    out: Path
    runs: Mapping[Path, Recipe]
    n: int
    ks: Sequence[int]
    processes: int


def plan_bench(
    build: Callable[..., Recipe], settings: Mapping[str, Any], comparison: BenchSettings, *, out: Path
) -> Bench:
    """Every run of a comparison. What the engine measures to choose by, it measures once, so all arms compute alike.

    Raises ForageError where one of them could not be trained, before any is, or is there already with other settings.
    """
    wanted = [parse_arm(text, METHODS) for text in comparison.arms or ("grpo",)]
    arms = with_controls(wanted, comparison.controls, METHODS)
    threads = settings["threads"] or int(comparison.processes > 1)
    recipes = [
        build(**{**settings, "threads": threads}, method=arm, seed=seed) for seed in comparison.seeds for arm in arms
    ]
    paths = [out / default_directory(recipe).name.removeprefix(f"{recipe.name}-") for recipe in recipes]
    runs = computed_alike(dict(zip(paths, recipes, strict=True)))
    return Bench(out, runs, comparison.n, comparison.ks, comparison.processes)


def computed_alike(recipes: Mapping[Path, Recipe]) -> dict[Path, Recipe]:
    """The runs with what the engine measures to choose by measured once, or as in a run that is there already.

    Raises ForageError where a run is there already with other settings.
    """
    before = next((open_recipe(path) for path in recipes if path.exists()), None)
    chosen = before or settle(next(iter(recipes.values())))
    runs = {
        path: replace(
            recipe,
            engine=chosen.engine,
            optimization=replace(recipe.optimization, micro_tokens=chosen.optimization.micro_tokens),
        )
        for path, recipe in recipes.items()
    }
    for path, recipe in runs.items():
        if path.exists() and open_recipe(path) != recipe:
            raise ForageError(f"{path} holds a run with other settings. Name another folder (`out`).")
    return runs
