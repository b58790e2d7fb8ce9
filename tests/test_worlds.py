"""The whole pipeline learns: an easy world with every algorithm, and a decoy that only exploration escapes."""

import statistics
from pathlib import Path

import pytest

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import METHODS, Applied, apply, entropy_penalty, rloo
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.worlds import DECOY, EASY, World, blank_model

ALGORITHMS = [name for name, method in METHODS.items() if method.kind == "algorithm"]


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model", layers=1)


def learn(world: World, model: Path, out: Path, methods: list[Applied], *, steps: int, seed: int, lr: float) -> float:
    """Trains; returns the mean reward of the last steps."""
    recipe = Recipe(
        name="world",
        model=str(model),
        task=world,
        seed=seed,
        schedule=Schedule(steps=steps, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=4),
        optimization=Optimization(lr=lr, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    train(apply(recipe, methods), out=out)
    return statistics.mean(row["reward"] for row in RunDirectory.open(out).metrics()[-5:])


STEPS = {"dapo": 24, "ppo": 26, "etpo": 40}
"""Of dapo, which clips at this rate, and of those whose critic learns alone for ten steps; that of etpo then has values
of every token to learn, which takes two layers."""


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "zpg"])
def test_every_algorithm_learns_the_easy_world(name: str, blank: Path, tmp_path: Path) -> None:
    model = blank_model(tmp_path / "two layers") if name == "etpo" else blank
    reward = learn(EASY, model, tmp_path / "run", [METHODS[name]()], steps=STEPS.get(name, 16), seed=0, lr=2e-2)
    assert reward > 0.9


def test_comparing_perturbed_weights_learns_too_if_slowly(blank: Path, tmp_path: Path) -> None:
    """A step tries one direction among those of 9,824 weights. The first policy has .1."""
    reward = learn(EASY, blank, tmp_path / "run", [METHODS["zpg"](radius=2.0, lr=1e-3)], steps=100, seed=0, lr=1e-3)
    assert reward > 0.4


def test_only_exploration_escapes_the_decoy(blank: Path, tmp_path: Path) -> None:
    """Without exploration the policy settles on the decoy; kept curious by an entropy term, it finds the treasure."""

    def reward(steps: int, *more: Applied) -> float:
        return learn(DECOY, blank, tmp_path / f"{len(more)} more", [rloo(), *more], steps=steps, seed=1, lr=1e-2)

    assert reward(40) < 0.25
    assert reward(50, entropy_penalty(coefficient=0.07)) > 0.9
