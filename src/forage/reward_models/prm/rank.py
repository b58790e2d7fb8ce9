"""Choosing among sampled solutions with a process model: best of n, weighted votes, and what they compete with.

Axes: P problems, K values of n, N samples of a problem.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task
from forage.core.records import Problem
from forage.core.result_table import Cell, ResultTable
from forage.core.seeds import derive_seed
from forage.engines.local.process_model import ProcessModel
from forage.evaluation.bootstrap import Interval, intervals
from forage.evaluation.samples import Sample
from forage.evaluation.tables import level_cell
from forage.ops.best_of_n import best_of_n, vote_of_n
from forage.ops.resampling import Floats
from forage.ops.step_scores import Aggregator, aggregate
from forage.reward_models.prm.calibration import Calibration, calibrate
from forage.tasks.step_texts import step_texts

FORMAT = "forage ranking 1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged sample: the score of each of its steps, its answer, and whether it is right.

    `outcome` is what an outcome model says of the whole, None without one. `prompt` and `texts` (of the steps) are for
    whoever wants to look at it.
    """

    steps: tuple[float, ...]
    answer: str | None
    right: bool
    outcome: float | None = None
    prompt: str = ""
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenSolution:
    """The solution of a problem that the process model puts first among all of its samples, and how many are right."""

    problem: str
    prompt: str
    steps: tuple[str, ...]
    scores: tuple[float, ...]
    right: bool
    right_share: float


@dataclass(frozen=True, slots=True)
class BestOfNResult:
    """How often the chosen solution is right: for every way of choosing an interval per n; means over problems.

    `reliability` compares the score of every step with what the solution came to: its outcome is one continuation of
    each of its prefixes, so scores that are shares of right continuations are calibrated by it. `choices` are a few
    chosen solutions, right and wrong ones.
    """

    ns: tuple[int, ...]
    problems: int
    curves: Mapping[str, tuple[Interval, ...]]
    reliability: Calibration | None = None
    choices: tuple[ChosenSolution, ...] = ()

    def table(self) -> ResultTable:
        rows = [(Cell(name), *map(level_cell, curve)) for name, curve in self.curves.items()]
        note = f"Share of {self.problems} problems solved, with 95% intervals over problems; n samples, one is chosen."
        return ResultTable(("chosen by", *(f"n={n}" for n in self.ns)), tuple(rows), (note,))

    def to_json(self) -> dict[str, Any]:
        curves = {
            name: [[None if math.isnan(x) else x for x in (i.estimate, i.low, i.high)] for i in curve]
            for name, curve in self.curves.items()
        }
        return {
            "format": FORMAT,
            "ns": list(self.ns),
            "problems": self.problems,
            "curves": curves,
            "reliability": asdict(self.reliability) if self.reliability else None,
            "choices": [asdict(choice) for choice in self.choices],
        }


def score_samples(
    process: ProcessModel,
    task: Task,
    problems: Sequence[Problem],
    samples: Iterable[Sample],
    outcome: ProcessModel | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, list[Candidate]]:
    """The judged samples of every problem with the scores of their steps; equal texts are scored once.

    `outcome` scores whole solutions: its score of the last step. A response without any text has no steps. Raises
    ForageError where a model cannot read a response.
    """
    asked = {problem.id: problem.question for problem in problems}
    judged = [sample for sample in samples if sample.judged]
    texts = list(dict.fromkeys((sample.problem, sample.text) for sample in judged))
    cut = []
    for problem, text in texts:
        pieces = process.pieces(text)
        cut.append((asked[problem], tuple(step for _, step in step_texts(pieces, task.step_ends(pieces)))))
    own = process.scores(cut, on_progress)
    whole = [each[-1] if each else 0.0 for each in outcome.scores(cut, on_progress)] if outcome else [None] * len(cut)
    scored = dict(zip(texts, zip(own, whole, cut, strict=True), strict=True))
    candidates: dict[str, list[Candidate]] = {problem.id: [] for problem in problems}
    for sample in judged:
        steps, value, (prompt, parts) = scored[sample.problem, sample.text]
        candidates[sample.problem].append(Candidate(steps, sample.answer, sample.correct, value, prompt, parts))
    return candidates


def rank(
    candidates: Mapping[str, Sequence[Candidate]],
    ns: Sequence[int],
    how: Sequence[Aggregator],
    *,
    vote: Aggregator = "min",
    seed: int = 0,
) -> BestOfNResult:
    """What choosing with the scores is worth for every n, beside votes, an oracle and chance.

    Best-of-n is the unbiased mean over all subsets of the pool; a vote weighs every answer with the aggregated scores
    of its solutions, by `vote`. A problem with fewer than n judged samples is estimated by all of them; one without any
    is excluded. Raises ForageError where nothing was judged.
    """
    pools = {name: pool for name, pool in candidates.items() if pool}
    if not pools:
        raise ForageError("No sample was judged, so there is nothing to choose from.")
    if not ns or min(ns) < 1:
        raise ForageError("n counts samples, so it must be at least 1.")
    names = [f"process model, {rule}" for rule in how]
    if _has_outcome(pools):
        names.append("outcome model")
    names += [f"votes weighted by {vote}", "majority vote", "oracle", "chance"]
    several = _has_outcome(pools)
    values = np.stack(
        [_of_problem(n, p, ns, how, vote, seed, outcome=several) for n, p in pools.items()]
    )  # (P, names, K)
    curves = {name: intervals(values[None, :, row], seed=seed) for row, name in enumerate(names)}
    return BestOfNResult(
        tuple(ns), len(pools), curves, _reliability(pools), choose(pools, how[0], seed=seed) if how else ()
    )


def choose(
    pools: Mapping[str, Sequence[Candidate]], how: Aggregator, *, seed: int = 0, amount: int = 3
) -> tuple[ChosenSolution, ...]:
    """The best-scored solution (the first of several) of up to `amount` problems where it is right, and of as
    many where it is wrong; the problems are drawn with `seed`."""
    chosen: dict[bool, list[ChosenSolution]] = {True: [], False: []}
    for name in sorted(pools, key=lambda name: derive_seed(seed, "choice", name)):
        pool = pools[name]
        best = max(pool, key=lambda each: aggregate(each.steps, how))
        if len(chosen[best.right]) < amount and best.texts:
            share = sum(each.right for each in pool) / len(pool)
            chosen[best.right].append(
                ChosenSolution(
                    problem=name,
                    prompt=best.prompt,
                    steps=best.texts,
                    scores=best.steps,
                    right=best.right,
                    right_share=share,
                )
            )
    return (*chosen[True], *chosen[False])


def _has_outcome(pools: Mapping[str, Sequence[Candidate]]) -> bool:
    return all(each.outcome is not None for pool in pools.values() for each in pool)


def _reliability(pools: Mapping[str, Sequence[Candidate]]) -> Calibration | None:
    pairs = [(score, each.right) for pool in pools.values() for each in pool for score in each.steps]
    return calibrate(*np.array(pairs, dtype=np.float64).T) if pairs else None


def _of_problem(
    name: str,
    pool: Sequence[Candidate],
    ns: Sequence[int],
    how: Sequence[Aggregator],
    vote: Aggregator,
    seed: int,
    *,
    outcome: bool,
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
        return vote_of_n(answer, weight, worth, within, seed=derive_seed(seed, "votes", name))

    rows = [best_of_n(scores[rule], worth, within) for rule in how]
    if outcome:
        rows.append(best_of_n(np.array([each.outcome for each in pool], dtype=np.float64), worth, within))
    rows += [votes(scores[vote]), votes(np.ones(len(pool))), best_of_n(worth, worth, within)]
    return np.stack([*rows, np.full(len(ns), worth.mean())])
