"""The evaluations that lie below directories, gathered for a comparison."""

from collections.abc import Sequence
from pathlib import Path

from forage.core.errors import ForageError
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.foreign import Columns
from forage.evaluation.foreign_evaluation import foreign_evaluation


def evaluations_of(directory: Path) -> list[Evaluation]:
    """Every evaluation in `directory/evals`, by file name. Raises ForageError for a file that cannot be read."""
    return [Evaluation.load(file) for file in sorted((directory / "evals").glob("*.json"))]


def latest_evaluations(
    directories: Sequence[Path], *, temperature: float = 1.0, split: str = "test"
) -> dict[str, list[Evaluation]]:
    """Label -> one evaluation per directory: the newest step, then the most samples. Equal labels (seeds) pool.

    Evaluations with truncated sampling (top-p, top-k) answer another question and are left out. A file of samples that
    another tool wrote (see `read_samples`) counts as one evaluation at this temperature, on this split.

    Raises ForageError for a directory that does not exist or holds no evaluation of that kind.
    """
    found: dict[str, list[Evaluation]] = {}
    for directory in directories:
        if directory.is_file():
            foreign = foreign_evaluation(directory, Columns(), temperature=temperature, split=split)
            found.setdefault(foreign.label, []).append(foreign)
            continue
        if not directory.is_dir():
            raise ForageError(f"{directory} is not a directory: name a run directory or a model folder.")
        fitting = [
            evaluation
            for evaluation in evaluations_of(directory)
            if evaluation.split == split
            and (evaluation.params.temperature, evaluation.params.top_p, evaluation.params.top_k)
            == (temperature, 1.0, 0)
        ]
        if not fitting:
            raise ForageError(
                f"{directory} holds no evaluation on the {split} split at temperature {temperature:g}. Make one with: "
                f"forage eval {directory} --split {split} --temperature {temperature:g}"
            )
        newest = max(fitting, key=lambda evaluation: (evaluation.step or 0, evaluation.n))
        found.setdefault(newest.label, []).append(newest)
    return found
