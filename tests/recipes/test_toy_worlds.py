"""The recipes of two ways and of locks: short runs with the methods that they are there for."""

from pathlib import Path

import pytest

from forage.base_models.lock import LockBase
from forage.base_models.tiny_model import build
from forage.base_models.two_ways import TwoWaysBase
from forage.core.errors import ForageError
from forage.methods import dr_grpo, mode_diversity, rrl, rrl_oracle
from forage.recipes import lock, two_ways
from forage.store.run_directory import RunDirectory
from forage.training.exact import exact_evaluation
from forage.training.loop import train

TINY = {"traces": 640, "steps": 20, "batch": 32, "layers": 1, "hidden": 16, "heads": 1, "head_dim": 16, "inner": 16}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(LockBase(length=5, **TINY), tmp_path_factory.mktemp("base") / "lock", progress=False)


def test_replay_restarts_behind_right_dials_only(locked: Path, tmp_path: Path) -> None:
    """With values that the task knows, nothing but beginnings of the right response is kept."""
    replay = rrl_oracle(margin=0.0, collect=1.0, replay=0.2, share=0.5, traces=8, rescore_every=0)
    recipe = lock(
        length=5, model=str(locked), method=[dr_grpo(), replay], steps=6, groups=4, train_problems=8, rollouts_every=1
    )
    assert recipe.sampling.max_tokens == 6
    train(recipe, out=tmp_path / "run")
    run = RunDirectory.open(tmp_path / "run")
    rows = [row for step in range(1, 7) for row in run.rollouts(step) if len(row["prefix"])]
    assert rows
    answers = {problem.id: problem.answer for problem in recipe.task.problems("train")}
    assert all(answers[row["problem"]].startswith(row["text"][: len(row["prefix"])]) for row in rows)


def test_solutions_of_locks_are_known(locked: Path) -> None:
    assert lock(length=5, model=str(locked), method=[dr_grpo(), rrl(solutions=True)]).task.name == "lock"
    with pytest.raises(ForageError, match="mode_diversity"):
        lock(length=5, model=str(locked), method=[dr_grpo(), mode_diversity()])


def test_two_ways_are_trained_and_evaluated_exactly(tmp_path: Path) -> None:
    base = build(TwoWaysBase(**TINY), tmp_path / "base", progress=False)
    recipe = two_ways(model=str(base), method=[dr_grpo(), mode_diversity()], steps=2, groups=2, train_problems=4)
    run = train(recipe, out=tmp_path / "run").path
    train_split, test_split = (exact_evaluation(run, split=split, problems=4, threads=1) for split in ("train", "test"))
    assert all(set(each.modes or {}) == {"a", "b"} for each in train_split.problems)
    assert all(set(each.modes or {}) == {"b"} for each in test_split.problems)
