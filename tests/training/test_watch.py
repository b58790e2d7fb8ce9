"""What is said while a run goes wrong: once, and nothing of a run that is well."""

import math
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import apply, grpo
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from forage.training.watch import PATIENCE, Watch
from support.worlds import EASY, World, blank_model

WELL = {"entropy": 1.0, "zero_variance": 0.5, "grad_norm": 0.2, "correct": 0.25}
WRONG = {
    "uniform": ({"entropy": 0.96 * math.log(10)}, "responses are noise"),
    "silent": ({"zero_variance": 1.0}, "no group has had two different rewards.* 25% of the responses"),
    "collapse": ({"entropy": 0.2}, r"Entropy collapse: 0.2 nats after 1 at first"),
    "explosion": ({"entropy": 2.1}, r"Entropy explosion: 2.1 nats after 1 at first"),
    "gradient": ({"grad_norm": 21.0}, r"above 20 for 3 steps, after 0.2 at first"),
}


def said(watch: Watch, change: dict[str, float], steps: int) -> list[str]:
    return [sentence for _ in range(steps) for sentence in watch.note({**WELL, **change})]


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_thing_is_said_once_and_only_when_it_lasts(name: str) -> None:
    change, sentence = WRONG[name]
    vocabulary = 10 if name == "uniform" else 10_000
    watch = Watch(vocabulary=vocabulary)
    assert said(watch, {"entropy": 1.5} if name == "uniform" else {}, 2) == []
    for _ in range(3):  # a step that is well begins the count anew
        assert said(watch, change, PATIENCE[name] - 1) == []
        assert said(watch, {}, 1) == []
    (told,) = said(watch, change, 50)
    assert re.search(sentence, told)
    assert said(watch, {}, 5) + said(watch, change, 50) == []


def test_what_is_not_known_is_not_wrong() -> None:
    watch = Watch()
    assert [sentence for _ in range(20) for sentence in watch.note({"step": 1.0})] == []
    assert said(watch, {"grad_norm": 0.0}, 20) == []


# ----------------------------------------------------------------------------------------------------- in training


def warned(recipe: Recipe, out: Path) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(recipe, out=out)
    return [str(one.message) for one in caught if one.category is UserWarning]


def small(folder: Path, **changes: object) -> Recipe:
    recipe = Recipe(
        name="watched",
        model=str(blank_model(folder / "model")),
        task=EASY,
        schedule=Schedule(steps=6, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=8),
        sampling=SamplingParams(max_tokens=4, temperature=0.05),
        optimization=Optimization(lr=1e-4, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    return apply(replace(recipe, **changes), [grpo()])  # pyright: ignore[reportArgumentType]


def test_a_learning_rate_that_destroys_is_told(tmp_path: Path) -> None:
    told = warned(small(tmp_path, optimization=Optimization(lr=1.0, mini_batches=1)), tmp_path / "run")
    assert any("`lr`" in sentence for sentence in told)
    assert len(told) <= len(PATIENCE)


def test_groups_that_never_vary_are_told(tmp_path: Path) -> None:
    (told,) = warned(small(tmp_path, task=World(worth=())), tmp_path / "run")
    assert "0% of the responses are correct" in told


def test_a_model_without_training_is_told(tmp_path: Path) -> None:
    told = warned(small(tmp_path, sampling=SamplingParams(max_tokens=4)), tmp_path / "run")
    assert ["responses are noise" in sentence for sentence in told] == [True]


def test_a_healthy_run_is_quiet(tmp_path: Path) -> None:
    assert warned(small(tmp_path), tmp_path / "run") == []
