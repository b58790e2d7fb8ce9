"""Whether a path is a run, decided without loading readers: most wrong paths are found before torch is needed."""

from pathlib import Path

from forage.core.errors import ForageError

RECIPE = "recipe.json"
"""The file that makes a folder a run."""


def check_run(path: Path) -> None:
    """Raises ForageError that says what lies at `path` instead of a run."""
    if (path / RECIPE).is_file():
        return
    if not path.exists():
        raise ForageError(f"There is no run {path}: nothing of that name exists. `forage train` puts runs in runs/.")
    if not path.is_dir():
        raise ForageError(f"{path} is a file, not a run directory.")
    run = next((parent for parent in path.absolute().parents if (parent / RECIPE).is_file()), None)
    if run is not None:
        raise ForageError(f"{path} is a part of the run {run}: name that directory instead.")
    raise ForageError(f"{path} is not a run directory: it has no {RECIPE}.")
