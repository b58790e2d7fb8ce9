"""Exact numbers of a comparison: from the chances of all answers, kept beside each run."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from forage.bench.by_seed import Numbers
from forage.bench.plan import Bench, arm_label
from forage.core.errors import ForageError
from forage.evaluation.exact import ExactEvaluation, exact_table
from forage.training.exact import can_enumerate, exact_evaluation

BASE = "base"
"""What the model is called that training begins with."""


def check_exact(bench: Bench) -> None:
    """Raises ForageError, before anything is trained, for a task that cannot list its answers."""
    task = next(iter(bench.runs.values())).task
    if not can_enumerate(task):
        raise ForageError(f"The task {task.name!r} cannot list every response, so leave the exact comparison out.")


def exact_command(path: Path, ks: Sequence[int]) -> list[str]:
    """The `forage` command that writes a run's exact numbers where `kept_numbers` looks for them."""
    return ["eval", str(path), "--exact", "--json", "--k", ",".join(map(str, ks)), "--out", str(_file(path))]


def kept_numbers(path: Path, ks: Sequence[int]) -> dict[str, float] | None:
    """The exact numbers of a run by name, those that are not known left out; None where they were not written yet."""
    file = _file(path)
    if not file.exists():
        return None
    (row,) = json.loads(file.read_text(encoding="utf-8"))["exact"]["rows"]
    if {name for name in row if name.startswith("pass@")} != {f"pass@{k}" for k in ks}:
        return None
    return {name: value[0] for name, value in row.items() if isinstance(value, list)}


def exact_numbers(bench: Bench) -> Numbers:
    """By arm and seed, the base models first. A base that all seeds share is computed once and stands for each."""
    numbers: dict[tuple[str, int], Mapping[str, float]] = {}
    of_base: dict[str, Mapping[str, float]] = {}
    for recipe in bench.runs.values():
        if Path(recipe.model).is_dir() and (BASE, recipe.seed) not in numbers:
            if recipe.model not in of_base:
                evaluation = exact_evaluation(recipe.model, task=recipe.task, engine=recipe.engine, ks=bench.ks)
                of_base[recipe.model] = _numbers(evaluation)
            numbers[BASE, recipe.seed] = of_base[recipe.model]
    for path, recipe in bench.runs.items():
        kept = kept_numbers(path, bench.ks)
        assert kept is not None, "every run was evaluated"
        numbers[arm_label(recipe.methods), recipe.seed] = kept
    return numbers


def counted_once(numbers: Numbers) -> Numbers:
    """Without what only repeats a base that several seeds share."""
    first: dict[int, tuple[str, int]] = {}
    for key, row in numbers.items():
        first.setdefault(id(row), key)
    return {key: row for key, row in numbers.items() if first[id(row)] == key}


def exact_pairs(bench: Bench) -> list[tuple[str, str]]:
    """What is subtracted from what: the base from the first arm, that from the others, and from arms their controls."""
    first, *others = dict.fromkeys(arm_label(recipe.methods) for recipe in bench.runs.values())
    pairs = [(first, BASE), *((other, first) for other in others), *bench.controls]
    return list(dict.fromkeys(pairs))


def _numbers(evaluation: ExactEvaluation) -> dict[str, float]:
    """As `kept_numbers` names them."""
    table = exact_table([evaluation])
    named = zip(table.columns, table.rows[0], strict=True)
    return {name: cell.value for name, cell in named if not math.isnan(cell.value)}


def _file(path: Path) -> Path:
    return path / "evals" / "exact.json"
