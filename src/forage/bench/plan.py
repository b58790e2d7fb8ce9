"""What a comparison trains and how it evaluates that: arms by seeds, each in a run directory of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forage.bench.arms import control_pairs, parse_arm, with_controls
from forage.core.errors import ForageError
from forage.evaluation.estimate import check_ks
from forage.methods import METHODS
from forage.training.loop import default_directory, open_recipe, settle
from forage.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What is compared, and how.

    `arms` and `controls` are as they are typed (`parse_arm`, `with_controls`); without arms there is one, GRPO. `n`
    responses to every test problem estimate pass@k for `ks`; `exact` takes it from the chances of all answers instead.
    `worlds` gives each seed a toy task of its own, its base model and its problems. `processes` runs train at a time.
    Raises ForageError for what makes no sense.
    """

    arms: Sequence[str]
    controls: Sequence[str]
    seeds: Sequence[int]
    n: int
    ks: Sequence[int]
    processes: int = 1
    exact: bool = False
    worlds: bool = False

    def __post_init__(self) -> None:
        check_ks(max(self.ks, default=1) if self.exact else self.n, self.ks)
        if self.worlds and not self.exact:
            raise ForageError(
                "With `worlds` the runs of an arm differ in more than a seed, so what is sampled of them is not "
                "pooled: ask for exact values too (`exact`)."
            )
        if self.processes < 1:
            raise ForageError(f"`processes` is how many runs train at a time, 1 or more, not {self.processes}.")


@dataclass(frozen=True)
class Bench:
    """Run directory -> what is trained in it, all arms of a seed before the next seed; and how they are evaluated.

    `controls`: each arm that has one beside it, and that control, by `arm_label`.
    """

    out: Path
    runs: Mapping[Path, Recipe]
    n: int
    ks: Sequence[int]
    processes: int
    exact: bool = False
    controls: Sequence[tuple[str, str]] = ()


def arm_label(methods: Iterable[str]) -> str:
    """The arm of a run with these methods (`Recipe.methods`), as tables name it."""
    return " + ".join(methods)


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
        build(**{**settings, "threads": threads, **world}, method=arm, seed=seed)
        for seed in comparison.seeds
        for world in [_world(settings, seed) if comparison.worlds else {}]
        for arm in arms
    ]
    paths = [out / default_directory(recipe).name.removeprefix(f"{recipe.name}-") for recipe in recipes]
    runs = computed_alike(dict(zip(paths, recipes, strict=True)))
    controls = [
        (arm_label(each.label for each in arm), arm_label(each.label for each in control))
        for arm, control in control_pairs(arms, METHODS)
    ]
    return Bench(out, runs, comparison.n, comparison.ks, comparison.processes, comparison.exact, controls)


def _world(settings: Mapping[str, Any], seed: int) -> dict[str, int]:
    if "world_seed" not in settings:
        raise ForageError(
            "This task is not made from a seed (`world_seed`), so there is but one world: leave `worlds` out."
        )
    return {"world_seed": seed}


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
