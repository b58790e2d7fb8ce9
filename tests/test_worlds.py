"""The whole pipeline learns: an easy world with every algorithm, and a decoy that only exploration escapes."""

import statistics
from dataclasses import dataclass
from pathlib import Path

import pytest

from forage.core.records import SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.methods import METHODS, Applied, apply, dapo, entropy_penalty, etpo, ppo, rloo, zpg
from forage.store.run_directory import RunDirectory
from forage.training.loop import train
from forage.training.recipe import Grouping, Recipe, Schedule
from support.worlds import DECOY, EASY, World, blank_model

ALGORITHMS = [name for name, method in METHODS.items() if method.kind == "algorithm"]


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blank_model(tmp_path_factory.mktemp("blank") / "model", layers=1)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """A method, and how many steps of how many tokens at which rate it takes in a world."""

    method: Applied
    steps: int = 10
    tokens: int = 2
    lr: float = 2.5e-2


def learn(world: World, model: Path, out: Path, pace: Pace, *more: Applied, seed: int) -> float:
    """Trains; returns the mean reward of the last steps."""
    recipe = Recipe(
        name="world",
        model=str(model),
        task=world,
        seed=seed,
        schedule=Schedule(steps=pace.steps, checkpoint_every=0, rollouts_every=0),
        grouping=Grouping(groups=3, group_size=16),
        sampling=SamplingParams(max_tokens=pace.tokens),
        optimization=Optimization(lr=pace.lr, mini_batches=1),
        engine=LocalEngine(threads=1, matmul="highest"),
    )
    train(apply(recipe, [pace.method, *more]), out=out)
    return statistics.mean(row["reward"] for row in RunDirectory.open(out).metrics()[-5:])


OWN_PACE = {
    "dapo": Pace(method=dapo(), steps=16, tokens=8, lr=2e-2),
    "ppo": Pace(method=ppo(critic_warmup=3), steps=13),
    "etpo": Pace(method=etpo(critic_warmup=3, polyak=0.7), steps=15, lr=1.5e-2),
}
"""Of dapo, which pays for responses that end before their last tokens, and of those whose critic learns alone first."""


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "zpg"])
def test_every_algorithm_learns_the_easy_world(name: str, blank: Path, tmp_path: Path) -> None:
    """The first policy has .1."""
    pace = OWN_PACE[name] if name in OWN_PACE else Pace(method=METHODS[name]())
    assert learn(EASY, blank, tmp_path / "run", pace, seed=0) > 0.9


def test_comparing_perturbed_weights_learns_too_if_slowly(blank: Path, tmp_path: Path) -> None:
    """A step tries one direction among those of 9,824 weights. The first policy has .1."""
    pace = Pace(method=zpg(radius=2.0, lr=2e-3), steps=60, tokens=1)
    assert learn(EASY, blank, tmp_path / "run", pace, seed=0) > 0.4


def test_only_exploration_escapes_the_decoy(blank: Path, tmp_path: Path) -> None:
    """Without exploration the policy settles on the decoy; kept curious by an entropy term, it finds the treasure."""

    def reward(*more: Applied) -> float:
        pace = Pace(method=rloo(), steps=36, tokens=3, lr=1e-2)
        return learn(DECOY, blank, tmp_path / f"{len(more)} more", pace, *more, seed=1)

    assert reward() < 0.25
    assert reward(entropy_penalty(coefficient=0.07)) > 0.9
