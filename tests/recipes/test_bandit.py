"""The recipe of bandits: a short run in turns with the method that it is there for, and its evaluation."""

import json
from pathlib import Path

import pytest

from forage.base_models.bandit import BanditBase
from forage.base_models.tiny_model import build
from forage.evaluation.evaluation import Evaluation
from forage.methods import first_try_bonus, grpo
from forage.recipes import bandit
from forage.store.run_directory import RunDirectory
from forage.tasks.bandit import Bandit
from forage.training.checkpoints import evaluate_checkpoint, find_checkpoint
from forage.training.loop import train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = BanditBase(arms=3, pulls=4, traces=640, steps=60, batch=32, layers=1, hidden=16, heads=1, head_dim=16)
    assert settings.digest() != BanditBase(arms=3, pulls=5, traces=640).digest()
    return build(settings, tmp_path_factory.mktemp("base") / "bandit", progress=False)


def test_a_run_in_turns(base: Path, tmp_path: Path) -> None:
    assert find_checkpoint(base).task == Bandit(arms=3, pulls=4)
    recipe = bandit(
        arms=3,
        pulls=4,
        model=str(base),
        method=[grpo(), first_try_bonus()],
        steps=2,
        groups=2,
        train_problems=4,
        matmul="highest",
    )
    train(recipe, out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    kept = run.rollouts(2)
    assert {len(row["given"]) for row in kept} >= {3}, "an episode of 4 pulls has 3 replies"
    for row in kept:
        said = ["".join(row["pieces"][first:last]) for first, last in row["given"]]
        assert set(said) <= {"0", "1", "-"}
    metrics = run.metrics()[-1]
    assert 0 < metrics["coverage"] <= 1
    assert metrics["optimal"] + metrics["greedy"] + metrics["other"] == pytest.approx(1)
    assert 0 < metrics["first_tries"] <= 3
    (file,) = evaluate_checkpoint(tmp_path / "run", n=4, problems=2)
    found = Evaluation.load(file)
    assert sum(outcome.committed for outcome in found.problems) > 0, "an evaluation plays whole episodes"
    assert json.loads(file.read_text())["task"]["part"] == "Bandit"
