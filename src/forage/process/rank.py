"""Choosing among sampled solutions with a process model: best of n, weighted votes, and what they compete with.

Axes: P problems, K values of n, N samples of a problem.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forage.engines.local.process_model import ProcessModel
from forage.errors import ForageError
from forage.evals.bootstrap import Interval, intervals
from forage.evals.samples import Sample
from forage.evals.tables import Cell, Table
from forage.ops.best_of_n import best_of_n, vote_of_n
from forage.ops.resampling import Floats
from forage.ops.step_scores import Aggregator, aggregate
from forage.prm.steps import prompt_text, step_texts
from forage.protocols import Task
from forage.records import Problem
from forage.seeds import derive_seed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged sample: the score of each of its steps, its answer, and whether it is right."""

    steps: tuple[float, ...]
    answer: str | None
    right: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """How often the chosen solution is right: for every way of choosing an interval per n; means over problems."""

    ns: tuple[int, ...]
    problems: int
    curves: Mapping[str, tuple[Interval, ...]]

    def table(self) -> Table:
        rows = [
            (Cell(name), *(Cell(_level(i), i.estimate, i.low, i.high) for i in curve))
            for name, curve in self.curves.items()
        ]
        note = f"Share of {self.problems} problems solved, with 95% intervals over problems; n samples, one is chosen."
        return Table(("chosen by", *(f"n={n}" for n in self.ns)), tuple(rows), (note,))

    def to_json(self) -> dict[str, Any]:
        curves = {name: [[i.estimate, i.low, i.high] for i in curve] for name, curve in self.curves.items()}
        return {"ns": list(self.ns), "problems": self.problems, "curves": curves}


def score_samples(
    process: ProcessModel, task: Task, problems: Sequence[Problem], samples: Iterable[Sample]
) -> dict[str, list[Candidate]]:
    """The judged samples of every problem with the scores of their steps; equal texts are scored once.

    A response without any text has no steps. Raises ForageError where the process model cannot read a response.
    """
    asked = {problem.id: prompt_text(problem) for problem in problems}
    judged = [sample for sample in samples if sample.judged]
    texts = list(dict.fromkeys((sample.problem, sample.text) for sample in judged))
    laid = []
    for problem, text in texts:
        pieces = process.pieces(text)
        laid.append(process.lay(asked[problem], [step for _, step in step_texts(pieces, task.step_ends(pieces))]))
    scores = dict(zip(texts, process.score(laid), strict=True))
    found: dict[str, list[Candidate]] = {problem.id: [] for problem in problems}
    for sample in judged:
        steps = scores[sample.problem, sample.text]
        found[sample.problem].append(Candidate(steps, sample.answer, sample.correct))
    return found


def rank(
    candidates: Mapping[str, Sequence[Candidate]],
    ns: Sequence[int],
    how: Sequence[Aggregator],
    *,
    vote: Aggregator = "min",
    seed: int = 0,
) -> Ranking:
    """What choosing with the scores is worth for every n, beside votes, an oracle and chance.

    Best-of-n is the unbiased mean over all subsets of the pool; a vote weighs every answer with the aggregated scores
    of its solutions, by `vote`. A problem with fewer than n judged samples is estimated by all of them; one without any
    stands aside. Raises ForageError where nothing was judged.
    """
    pools = {name: pool for name, pool in candidates.items() if pool}
    if not pools:
        raise ForageError("No sample was judged, so there is nothing to choose from.")
    if not ns or min(ns) < 1:
        raise ForageError("n counts samples, so it must be at least 1.")
    names = [f"process model, {rule}" for rule in how]
    names += [f"votes weighted by {vote}", "majority vote", "oracle", "chance"]
    values = np.stack([_of_problem(name, pool, ns, how, vote, seed) for name, pool in pools.items()])  # (P, names, K)
    curves = {name: intervals(values[None, :, row], seed=seed) for row, name in enumerate(names)}
    return Ranking(tuple(ns), len(pools), curves)


def _of_problem(
    name: str, pool: Sequence[Candidate], ns: Sequence[int], how: Sequence[Aggregator], vote: Aggregator, seed: int
) -> Floats:
    """(ways of choosing, K) float64."""
    worth = np.array([float(candidate.right) for candidate in pool])
    within = [min(n, len(pool)) for n in ns]
    rules: tuple[Aggregator, ...] = (*how, vote)
    scores = {rule: np.array([aggregate(each.steps, rule) for each in pool]) for rule in rules}
    known = sorted({each.answer for each in pool if each.answer is not None})
    answer = [known.index(each.answer) if each.answer is not None else -1 for each in pool]

    def votes(weight: Floats) -> Floats:
        if not known and worth.any():  # a task without answers
            return np.full(len(ns), math.nan)
        return np.array([vote_of_n(answer, weight, worth, n, seed=derive_seed(seed, "votes", name)) for n in within])

    rows = [best_of_n(scores[rule], worth, within) for rule in how]
    rows += [votes(scores[vote]), votes(np.ones(len(pool))), best_of_n(worth, worth, within)]
    return np.stack([*rows, np.full(len(ns), worth.mean())])


def _level(interval: Interval) -> str:
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
