"""The evaluations that lie below directories, gathered for a comparison."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.evaluation.evaluation import Evaluation
from forage.evaluation.external import SampleColumns
from forage.evaluation.external_evaluation import external_evaluation
from forage.evaluation.external_run import sample_files
from forage.evaluation.names import evaluation_files
from forage.evaluation.pooling import Member, group_labels, label_notes, member_of_run, pool

ReadRecipe = Callable[[Path], Mapping[str, Any] | None]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """Directories that are seeds of the same thing, and the evaluation that speaks for each."""

    label: str
    directories: tuple[Path, ...]
    runs: tuple[Evaluation, ...]


def evaluations_of(directory: Path) -> list[Evaluation]:
    """Every evaluation of a run or model folder, the last written first. Raises ForageError for an unreadable file."""
    return [Evaluation.load(file) for file in evaluation_files(directory)]


def raw_recipe(directory: Path) -> Mapping[str, Any] | None:
    """The recipe of a run as it is written down; None where the directory is no run."""
    try:
        content = json.loads((directory / "recipe.json").read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def latest_evaluations(
    directories: Sequence[Path], *, temperature: float = 1.0, split: str = "test"
) -> dict[str, list[Evaluation]]:
    """Label -> one evaluation per directory; see `gather_arms`."""
    arms, _ = gather_arms(directories, temperature=temperature, split=split)
    return {arm.label: list(arm.runs) for arm in arms}


def gather_arms(
    directories: Sequence[Path],
    *,
    temperature: float = 1.0,
    split: str = "test",
    recipe_of: ReadRecipe = raw_recipe,
) -> tuple[list[Arm], tuple[str, ...]]:
    """The evaluation that speaks for each directory: the newest step, then most samples, then the last written.

    Runs whose recipes differ in nothing but the seed pool, as in a report; the sentences say in what recipes of one
    label differ. Where directories hold evaluations of several sets of problems, those count that all of them hold.
    Evaluations with truncated sampling (top-p, top-k) answer another question and are left out. A file of samples that
    another tool wrote (see `read_samples`), or a folder of them, counts as one evaluation at this temperature, on this
    split.

    Raises ForageError for a directory that does not exist or holds no evaluation of that kind, and where several sets
    of problems are held by all.
    """
    distinct = list(dict.fromkeys(directories))
    fitting = [_fitting(directory, temperature, split) for directory in distinct]
    wanted = _common_problems(fitting)
    newest = [
        max(
            (evaluation for evaluation in evaluations if wanted is None or _problems(evaluation) == wanted),
            key=lambda e: (e.step or 0, e.n),
        )
        for evaluations in fitting
    ]
    members = [_member(*pair, recipe_of) for pair in zip(distinct, newest, strict=True)]
    pooled = pool(members)
    firsts = [members[places[0]] for places in pooled]
    arms = [
        Arm(
            label=label,
            directories=tuple(distinct[place] for place in places),
            runs=tuple(replace(newest[place], label=label) for place in places),
        )
        for label, places in zip(group_labels(firsts), pooled, strict=True)
    ]
    return arms, label_notes(firsts)


def _member(directory: Path, evaluation: Evaluation, recipe_of: ReadRecipe) -> Member:
    recipe = recipe_of(directory)
    if recipe:
        member = member_of_run(directory.resolve().name, recipe)
        return replace(member, label=evaluation.label)
    # A run whose recipe is gone is identified by its label; weights of other origin by what they are.
    trained = evaluation.run_seed is not None
    identity = evaluation.label if trained else evaluation.fingerprint or str(directory.resolve())
    return Member(name=directory.resolve().name, label=evaluation.label, identity=identity)


def _problems(evaluation: Evaluation) -> frozenset[str]:
    return frozenset(outcome.problem for outcome in evaluation.problems)


def _common_problems(fitting: Sequence[Sequence[Evaluation]]) -> frozenset[str] | None:
    """The one set of problems that every directory was evaluated on; None where there is none, which is said later."""
    common = set.intersection(*({_problems(evaluation) for evaluation in evaluations} for evaluations in fitting))
    if len(common) > 1:
        raise ForageError(
            f"These directories hold evaluations on {len(common)} sets of problems each, so which is meant? Evaluate "
            "each set into a folder of its own (`forage eval --out`), and name those."
        )
    return next(iter(common), None)


def _fitting(directory: Path, temperature: float, split: str) -> list[Evaluation]:
    if directory.is_file() or (sample_files(directory) and not evaluation_files(directory)):
        return [external_evaluation(directory, SampleColumns(), temperature=temperature, split=split)]
    if not directory.is_dir():
        raise ForageError(f"{directory} is not a directory: name a run directory or a model folder.")
    evaluations = [
        evaluation
        for evaluation in evaluations_of(directory)
        if evaluation.split == split
        and (evaluation.params.temperature, evaluation.params.top_p, evaluation.params.top_k) == (temperature, 1.0, 0)
    ]
    if not evaluations:
        raise ForageError(
            f"{directory} holds no evaluation on the {split} split at temperature {temperature:g}. Make one with: "
            f"forage eval {directory} --split {split} --temperature {temperature:g}"
        )
    return evaluations
