"""Which evaluation of a directory speaks for it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.evaluation.collect import evaluations_of, gather_arms, latest_evaluations
from forage.evaluation.evaluation import Evaluation

Make = Callable[..., Evaluation]


def test_the_newest_step_with_most_samples_speaks_and_seeds_pool(tmp_path: Path, evaluation: Make) -> None:
    wanted = []
    for run_seed in (0, 1):
        folder = tmp_path / f"run{run_seed}" / "evals"
        wanted.append(evaluation([1, 2], 8, step=20, run_seed=run_seed))
        others = [
            evaluation([1, 2], 16, step=10),
            evaluation([1, 1], 4, step=20),
            evaluation([2, 2], 64, step=30, temperature=0.4),
            evaluation([2, 2], 64, step=30, split="train"),
        ]
        for number, some in enumerate([*others[:2], wanted[-1], *others[2:]]):
            some.save(folder / f"{number}.json")
    base = evaluation([0, 1], 8, label="base")
    base.save(tmp_path / "base" / "evals" / "test.json")
    directories = [tmp_path / name for name in ("base", "run0", "run1")]
    assert latest_evaluations(directories) == {"base": [base], "policy": wanted}
    assert len(evaluations_of(tmp_path / "run0")) == 5


def test_what_is_missing_is_said(tmp_path: Path, evaluation: Make) -> None:
    with pytest.raises(ForageError, match="is not a directory"):
        latest_evaluations([tmp_path / "absent"])
    evaluation([1], 4).save(tmp_path / "evals" / "test.json")
    with pytest.raises(
        ForageError, match=r"no evaluation on the test split at temperature 0\.7\. Make one with: forage"
    ):
        latest_evaluations([tmp_path], temperature=0.7)


def trained(path: Path, evaluation: Evaluation, **settings: object) -> Path:
    evaluation.save(path / "evals" / "test.json")
    (path / "recipe.json").write_text(json.dumps({"methods": ["grpo"], **settings}))
    return path


def test_runs_of_other_recipes_are_no_seeds(tmp_path: Path, evaluation: Make) -> None:
    runs = [
        trained(
            tmp_path / f"{name}-{seed}",
            evaluation([1, 2], 8, step=2, run_seed=seed, label="grpo"),
            seed=seed,
            model=model,
            optimization={"lr": lr},
        )
        for name, model, lr in (("slow", "base", 1e-6), ("fast", "base", 1e-5), ("other", "larger", 1e-6))
        for seed in (0, 1)
    ]
    arms, notes = gather_arms(runs)
    assert [arm.label for arm in arms] == [
        "grpo (model base, lr 1e-06)",
        "grpo (model base, lr 1e-05)",
        "grpo (model larger, lr 1e-06)",
    ]
    assert [arm.directories for arm in arms] == [tuple(runs[at : at + 2]) for at in (0, 2, 4)]
    assert all(run.label == arm.label for arm in arms for run in arm.runs)
    assert notes == (
        "grpo stands for 3 recipes, which are not pooled: they differ in model (base, larger), "
        "optimization.lr (1e-06, 1e-05).",
    )
    assert gather_arms(runs[:2])[1] == ()


def test_other_weights_of_the_same_name_are_no_seeds(tmp_path: Path, evaluation: Make) -> None:
    for name, mark in (("a", "1"), ("b", "2")):
        evaluation([1], 4, label="model", fingerprint=mark).save(tmp_path / name / "evals" / "test.json")
    arms, _ = gather_arms([tmp_path / "a", tmp_path / "b"])
    assert [arm.label for arm in arms] == ["model (a)", "model (b)"]


def test_the_problems_that_all_share_are_compared(tmp_path: Path, evaluation: Make) -> None:
    both, one = tmp_path / "both", tmp_path / "one"
    evaluation([1, 1, 1], 64, fingerprint="1").save(both / "evals" / "large.json")
    evaluation([2], 4, fingerprint="1").save(both / "evals" / "small.json")
    evaluation([3], 4, fingerprint="2").save(one / "evals" / "small.json")
    arms, _ = gather_arms([both, one])
    assert [[o.correct for o in arm.runs[0].problems] for arm in arms] == [[2], [3]]
    with pytest.raises(ForageError, match="2 sets of problems each"):
        gather_arms([both])
