"""Guided search over a set of problems, beside choosing among plain samples that cost as many tokens.

Axes: P problems, R searches of a problem, N samples of a problem.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Problem, SampleRequest, SamplingParams, Start
from forage.core.result_table import Cell, ResultTable
from forage.core.seeds import derive_seed
from forage.core.turns import refuse_environment
from forage.engines.local.process_model import ProcessModel
from forage.evaluation.bootstrap import Interval, intervals
from forage.evaluation.tables import difference_cell, level_cell
from forage.ops.best_of_n import best_of_n
from forage.ops.step_scores import Aggregator, aggregate
from forage.parts.explore.rollouts import to_rollout
from forage.reward_models.prm.labeling import OnEngine
from forage.reward_models.prm.search import GuidedSearch, GuidedSolution, search
from forage.tasks.step_texts import step_texts
from forage.training.checkpoints import open_checkpoint, split_problems
from forage.verification.judge import open_judge

POOL = 4
"""The plain pool is this many times as large as the number that is chosen from: best-of-n then has little noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guided:
    """What a guided search solved and took, beside best-of-n by the same model at as many tokens.

    Shares are means over problems with intervals over problems; `gain` is the search minus best-of-n, paired. Tokens
    are sampled tokens per solution that is handed in. n is rounded up, so plain sampling never has fewer tokens.
    """

    plan: GuidedSearch
    how: Aggregator
    problems: int
    repeats: int
    n: int
    search: Interval
    best_of_n: Interval
    plain: Interval
    gain: Interval
    search_tokens: float
    best_of_n_tokens: float
    proposed: float
    backtracks: float
    forced: float

    def table(self) -> ResultTable:
        rows = [
            _row("guided search", self.search, self.search_tokens),
            _row(f"best of {self.n}, {self.how}", self.best_of_n, self.best_of_n_tokens),
            _row("one plain sample", self.plain, self.best_of_n_tokens / self.n),
            (Cell("search minus best-of-n"), difference_cell(self.gain), Cell("")),
        ]
        notes = (
            f"Share of {self.problems} problems solved, {self.repeats} searches each; 95% intervals over problems.",
            f"A search judges {self.proposed:.1f} steps, goes back {self.backtracks:.2f} times, and keeps "
            f"{self.forced:.2f} steps below the floor.",
        )
        return ResultTable(("decoded by", "solved", "tokens"), tuple(rows), notes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def guided_search(
    model: Path,
    path: Path,
    *,
    plan: GuidedSearch,
    how: Aggregator = "min",
    task: Task | None = None,
    split: str = "test",
    problems: int | None = None,
    repeats: int = 4,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    machine: OnEngine | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Guided, list[GuidedSolution]]:
    """Searches `repeats` solutions of every problem with the policy at `path` and the process model at `model`.

    `machine` is asked about the policy's engine; the process model computes on the same device.
    Raises ForageError where either is not what it should be, or where nothing was judged.
    """
    opening = open_checkpoint(path, task=task, max_tokens=max_tokens)
    checkpoint, task = opening.checkpoint, opening.task
    refuse_environment(task, "Decoding that a process model guides")
    if repeats < 1:
        raise ForageError(f"There must be at least one repeat, not {repeats}.")
    chosen = split_problems(task, split, problems)
    engine = machine(checkpoint.engine) if machine else checkpoint.engine
    process = ProcessModel.load(model, device=engine.device)
    opened = (engine if threads is None else replace(engine, threads=threads)).open(str(checkpoint.weights))
    if threads is not None:
        torch.set_num_threads(threads)
    params = SamplingParams(temperature=temperature, max_tokens=opening.max_tokens)
    with open_judge(task, checkpoint.verifying) as judge:
        tools = Tools(opened.codec, opened.sampler, judge)
        starts = [Start(problem) for problem in chosen for _ in range(repeats)]
        solutions = search(plan, starts, task, tools, process.scores, params, seed=seed, on_progress=on_progress)
        return compare(plan, solutions, chosen, task, tools, process, params, how=how, seed=seed), solutions


def compare(
    plan: GuidedSearch,
    solutions: Sequence[GuidedSolution],
    problems: Sequence[Problem],
    task: Task,
    tools: Tools,
    process: ProcessModel,
    params: SamplingParams,
    *,
    how: Aggregator,
    seed: int,
) -> Guided:
    """Judges the solutions (R of each problem, in order) and samples the plain pool that they are compared with."""
    repeats = len(solutions) // len(problems)
    right = np.array([_right(tools, s.start.problem, [s.text])[0] for s in solutions]).reshape(len(problems), repeats)
    spent = sum(each.sampled for each in solutions) / len(solutions)
    length = _plain_length(problems, tools, params, seed)
    n = max(1, int(np.ceil(spent / length)))
    worth, best, tokens = [], [], 0
    requests = [_request(tools, problem, POOL * n, seed) for problem in problems]
    for order, completions in sorted(tools.sampler.sample(requests, params)):
        problem = problems[order]
        rollouts = [to_rollout(Start(problem), each, task, tools.codec, 0) for each in completions]
        tokens += sum(len(rollout.tokens) for rollout in rollouts)
        values = _right(tools, problem, [rollout.text for rollout in rollouts])
        steps = [step_texts(tools.codec.pieces(each.tokens), each.step_ends) for each in rollouts]
        scores = process.scores([(problem.question, [text for _, text in row_steps]) for row_steps in steps])
        known = ~np.isnan(values)
        chosen = np.array([aggregate(each, how) for each in scores])[known]
        worth.append(np.nanmean(values) if known.any() else np.nan)
        best.append(best_of_n(chosen, values[known], [min(n, int(known.sum()))])[0] if known.any() else np.nan)
    measured = np.array([[np.nanmean(row) if not np.isnan(row).all() else np.nan for row in right], best, worth]).T
    columns = np.column_stack([measured, measured[:, 0] - measured[:, 1]])  # (P, 4)
    if np.isnan(columns).all():
        raise ForageError("Nothing that was decoded could be judged.")
    levels = intervals(columns[None], seed=seed)
    mean = {
        name: sum(getattr(s, name) for s in solutions) / len(solutions) for name in ("proposed", "backtracks", "forced")
    }
    return Guided(
        plan=plan,
        how=how,
        problems=len(problems),
        repeats=repeats,
        n=n,
        search=levels[0],
        best_of_n=levels[1],
        plain=levels[2],
        gain=levels[3],
        search_tokens=spent,
        best_of_n_tokens=n * tokens / (POOL * n * len(problems)),
        **mean,
    )


def _plain_length(problems: Sequence[Problem], tools: Tools, params: SamplingParams, seed: int) -> float:
    """Tokens of a plain response, from four of each problem."""
    requests = [_request(tools, problem, POOL, derive_seed(seed, "length")) for problem in problems]
    drawn = [each for _, completions in tools.sampler.sample(requests, params) for each in completions]
    return sum(len(each.tokens) for each in drawn) / len(drawn)


def _request(tools: Tools, problem: Problem, group_size: int, seed: int) -> SampleRequest:
    return SampleRequest(tools.codec.prompt(problem), group_size, derive_seed(seed, "pool", problem.id))


def _right(tools: Tools, problem: Problem, texts: Sequence[str]) -> np.ndarray:
    """(texts,) float64: 1 for a right response, 0 for another one, NaN for one that was not judged."""
    scores = tools.judge.submit(problem, texts).result()
    return np.array([float(s.correct) if s.judged else np.nan for s in scores])


def _row(name: str, share: Interval, tokens: float) -> tuple[Cell, ...]:
    return Cell(name), level_cell(share), Cell(f"{tokens:.0f}")
