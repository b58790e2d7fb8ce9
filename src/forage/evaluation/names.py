"""Where an evaluation is kept: under a name that says what was asked, and never in the place of a different one."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.evaluation.evaluation import Evaluation

DEFAULT = Path("runs") / "evals"
"""Below this, from the working directory, are the evaluations of model folders: they belong to somebody else."""


def home_of(model: Path) -> Path:
    """The directory for what is found out about a model folder: by its name, and a hash of where it lies."""
    place = hashlib.blake2b(str(model.resolve()).encode("utf-8", "backslashreplace"), digest_size=3).hexdigest()
    return DEFAULT / f"{model.resolve().name}-{place}"


def homes(directory: Path) -> list[Path]:
    """Where evaluations of `directory` may lie: in it, and in its default place where it is no run."""
    return [directory] if (directory / "recipe.json").exists() else [directory, home_of(directory)]


def evaluation_files(directory: Path) -> list[Path]:
    """Every evaluation of a run or of a model folder, the last written first."""
    files = [file for home in homes(directory) for file in (home / "evals").glob("*.json") if file.name[0] != "."]
    return sorted(files, key=lambda file: (-file.stat().st_mtime_ns, str(file)))


def sample_folders(directory: Path) -> list[Path]:
    """The caches of samples of a run or of a model folder."""
    return [folder for home in homes(directory) if (folder := home / "evals" / "samples").is_dir()]


def evaluation_name(evaluation: Evaluation, task: str, *, first: int | None = None) -> str:
    """As in `test-countdown-demo-step000080-T1-len120-n256-seed0.json`.

    `task` is how the task is called in file names; `first` is there where only so many problems were asked for.
    """
    params = evaluation.params
    parts = [
        evaluation.split if first is None else f"{evaluation.split}{first}",
        task,
        *([] if evaluation.step is None else [f"step{evaluation.step:06d}"]),
        f"T{params.temperature:g}",
        *([f"p{params.top_p:g}"] if params.top_p < 1 else []),
        *([f"k{params.top_k}"] if params.top_k else []),
        f"len{params.max_tokens}",
        f"n{evaluation.n}",
        f"seed{evaluation.seed}",
    ]
    return "-".join(parts) + ".json"


def place_for(evaluation: Evaluation, path: Path) -> Path:
    """`path`, or beside it a name with a hash of what was asked where `path` holds a different evaluation."""
    if not path.exists():
        return path
    try:
        same = _asked(Evaluation.load(path)) == _asked(evaluation)
    except ForageError:
        same = False
    if same:
        return path
    text = json.dumps(_asked(evaluation), sort_keys=True)
    return path.with_stem(f"{path.stem}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}")


def _asked(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but what came of it."""
    content = evaluation.to_json()
    problems: Sequence[Any] = [outcome.problem for outcome in evaluation.problems]
    return {name: value for name, value in content.items() if name not in ("label", "checkpoint", "seconds")} | {
        "problems": problems
    }
