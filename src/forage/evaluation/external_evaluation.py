"""External samples counted by problem, and the estimates that they allow."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forage.core.errors import ForageError
from forage.core.records import SamplingParams
from forage.core.result_table import Cell, ResultTable
from forage.evaluation.bootstrap import DRAWS, intervals
from forage.evaluation.evaluation import Evaluation, ProblemOutcome
from forage.evaluation.external import ExternalSample, SampleColumns, read_samples
from forage.evaluation.external_run import ExternalRun
from forage.evaluation.tables import level_cell
from forage.ops.passk import pass_at_k


@dataclass(frozen=True, slots=True)
class Counted:
    """The judged samples of a problem: how many, how many right, and the right ones by mode (None: modes unknown)."""

    problem: str
    drawn: int
    judged: int
    correct: int
    modes: tuple[int, ...] | None


def count_problems(samples: Sequence[ExternalSample]) -> tuple[Counted, ...]:
    """By problem, in the order of their first samples. Modes are known where every right sample names one."""
    by_problem: dict[str, list[ExternalSample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem, []).append(sample)
    counted = []
    for problem, own in by_problem.items():
        judged = [sample for sample in own if sample.correct is not None]
        right = [sample.mode for sample in judged if sample.correct]
        modes = None if None in right else tuple(sorted(Counter(right).values(), reverse=True))
        counted.append(Counted(problem, len(own), len(judged), len(right), modes))
    return tuple(counted)


def pass_columns(counted: Sequence[Counted], ks: Sequence[int]) -> NDArray[np.float64]:
    """(1, P, K): pass@k of each problem over its judged samples; NaN where it has fewer than k of them."""
    values = [[_passed(problem, k) for k in ks] for problem in counted]
    return np.array([values], dtype=np.float64)


def passk_table(
    files: Sequence[Path], ks: Sequence[int], columns: SampleColumns, *, draws: int = DRAWS, seed: int = 0
) -> ResultTable:
    """One row per file: pass@k with intervals over problems. A problem without samples for a k is excluded."""
    rows, notes = [], []
    for file in files:
        counted = count_problems(read_samples(file, columns))
        values = pass_columns(counted, ks)
        sizes = [problem.judged for problem in counted]
        known = [int((~np.isnan(values[0, :, place])).sum()) for place in range(len(ks))]
        for k, count in zip(ks, known, strict=True):
            if count < len(counted):
                notes.append(
                    f"{file.name}: pass@{k} is of {count} of {len(counted)} problems; the others have fewer samples."
                )
        levels = intervals(values, draws=draws, seed=seed) if len(counted) else ()
        cells = [level_cell(level) for level in levels]
        unjudged = sum(problem.drawn - problem.judged for problem in counted)
        rows.append(
            (
                Cell(file.name),
                *cells,
                Cell(str(len(counted)), len(counted)),
                Cell(f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)}-{max(sizes)}"),
                Cell(str(unjudged), unjudged),
            )
        )
    names = ("file", *(f"pass@{k}" for k in ks), "problems", "samples", "unjudged")
    return ResultTable(names, tuple(rows), tuple(notes))


def external_evaluation(
    file: Path, columns: SampleColumns, *, temperature: float = 1.0, split: str = "test", label: str = ""
) -> Evaluation:
    """The file as an evaluation, so that it can be compared and reported; of a folder, its last step. The first samples
    count, as many of each problem as the problem with the fewest has. `temperature` and `split` are what the caller
    knows.
    """
    step = None
    if file.is_dir():
        step, samples = list(ExternalRun.open(file, columns).samples.items())[-1]
    else:
        samples = read_samples(file, columns)
    by_problem: dict[str, list[ExternalSample]] = {}
    for sample in samples:
        by_problem.setdefault(sample.problem, []).append(sample)
    n = min(map(len, by_problem.values()))
    outcomes = tuple(_outcome(problem, own[:n]) for problem, own in by_problem.items())
    if not any(outcome.judged for outcome in outcomes):
        raise ForageError(f"{file} holds no response with a verdict, so nothing can be estimated.")
    return Evaluation(
        label=label or (file.name if file.is_dir() else file.stem),
        checkpoint=str(file),
        task={"part": "foreign samples", "file": file.name},
        split=split,
        params=SamplingParams(temperature=temperature),
        n=n,
        seed=0,
        problems=outcomes,
        step=step,
    )


def _passed(problem: Counted, k: int) -> float:
    return pass_at_k(problem.judged, problem.correct, k) if problem.judged >= k else math.nan


def _outcome(problem: str, samples: Sequence[ExternalSample]) -> ProblemOutcome:
    judged = [sample for sample in samples if sample.correct is not None]
    answered = [sample for sample in judged if sample.mode is not None]
    return ProblemOutcome(
        problem=problem,
        n=len(samples),
        correct=sum(sample.correct is True for sample in judged),
        unjudged=len(samples) - len(judged),
        committed=len(answered),
        answers=Counter(str(sample.mode) for sample in answered),
        right_answers=Counter(str(sample.mode) for sample in answered if sample.correct),
    )
