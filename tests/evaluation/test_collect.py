"""Which evaluation of a directory speaks for it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forage.core.errors import ForageError
from forage.evaluation.collect import evaluations_of, latest_evaluations
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
