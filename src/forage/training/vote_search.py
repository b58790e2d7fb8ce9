"""Decoding controlled by entropy and settled by votes, beside plain sampling with as many tokens and the placebo.

Axes: P problems, R searches of a problem, N responses that vote.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forage.core.errors import ForageError
from forage.core.protocols import Explore, OnProgress, Task, Tools
from forage.core.records import Problem, Rollout, SamplingParams, Start
from forage.core.result_table import Cell, ResultTable
from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine
from forage.engines.turns import open_for
from forage.evaluation.bootstrap import Interval, intervals
from forage.evaluation.tables import difference_cell, level_cell
from forage.ops.best_of_n import vote_of_n
from forage.ops.resampling import Floats
from forage.parts.explore.plain import PlainSampling
from forage.parts.explore.reasoning_control import ReasoningControl
from forage.parts.values import Metered
from forage.training.checkpoints import open_checkpoint, split_problems
from forage.verification.judge import open_judge


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteSearch:
    """What votes over controlled responses solve, beside votes over plain ones that cost as many tokens.

    Shares are means over problems with intervals over problems; `gain` is the controlled vote minus the plain one, and
    `over_random` the controlled vote minus that of the same actions taken at random, both paired. Tokens are sampled
    tokens of one vote. n is rounded up, so plain sampling never has fewer.
    """

    plan: ReasoningControl
    problems: int
    repeats: int
    responses: int
    n: int
    controlled: Interval
    random: Interval
    plain: Interval
    single: Interval
    gain: Interval
    over_random: Interval
    controlled_tokens: float
    random_tokens: float
    plain_tokens: float
    single_tokens: float

    def table(self) -> ResultTable:
        rows = [
            _row(f"entropy control, {self.responses} vote", self.controlled, self.controlled_tokens),
            _row(f"the same actions at random, {self.responses} vote", self.random, self.random_tokens),
            _row(f"plain, {self.n} vote", self.plain, self.plain_tokens),
            _row("one plain response", self.single, self.single_tokens),
            (Cell("entropy control minus plain"), difference_cell(self.gain), Cell("")),
            (Cell("entropy control minus random"), difference_cell(self.over_random), Cell("")),
        ]
        notes = (
            f"Share of {self.problems} problems solved, {self.repeats} searches each; 95% intervals over problems.",
        )
        return ResultTable(("decoded by", "solved", "tokens"), tuple(rows), notes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Ballots(NamedTuple):
    """`groups[p][r]` are the responses of search r to problem p, `tokens` what all of them took."""

    groups: list[list[tuple[Rollout, ...]]]
    tokens: int


def vote_search(
    path: Path | str,
    *,
    plan: ReasoningControl | None = None,
    responses: int = 16,
    task: Task | None = None,
    split: str = "test",
    problems: int | None = None,
    repeats: int = 4,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    engine: LocalEngine | None = None,
    on_progress: OnProgress | None = None,
) -> VoteSearch:
    """Solves problems `repeats` times by the checkpoint at `path`, by votes of `responses` controlled responses.

    `engine` takes the place of the checkpoint's own. Raises ForageError where a number is too small, or where no
    response gives an answer to vote on.
    """
    if min(responses, repeats) < 1:
        raise ForageError(f"A vote needs at least one response and one search, not {responses} and {repeats}.")
    plan = plan or ReasoningControl()
    opening = open_checkpoint(path, task=task, max_tokens=max_tokens)
    checkpoint, task = opening.checkpoint, opening.task
    chosen = split_problems(task, split, problems)
    opened, sampler, given = open_for(engine or checkpoint.engine, checkpoint.weights, task)
    params = SamplingParams(temperature=temperature, max_tokens=opening.max_tokens)
    arms: dict[str, Explore] = {
        "controlled": replace(plan, control="entropy"),
        "random": replace(plan, control="random"),
        "plain": PlainSampling(),
    }
    with open_judge(task, checkpoint.verifying) as judge:
        meter = Metered(sampler)
        tools = Tools(opened.codec, meter, judge, given=given)
        ballots = {}
        for done, (name, explore) in enumerate(arms.items(), 1):
            groups = _cast(explore, chosen, repeats, responses, task, tools, params, seed=derive_seed(seed, name))
            ballots[name] = _Ballots(groups, meter.take())
            if on_progress is not None:
                on_progress(done, len(arms), name)
        return _count(plan, ballots, chosen, task, tools, seed=seed)


def _cast(
    explore: Explore,
    problems: Sequence[Problem],
    repeats: int,
    responses: int,
    task: Task,
    tools: Tools,
    params: SamplingParams,
    *,
    seed: int,
) -> list[list[tuple[Rollout, ...]]]:
    starts = [Start(problem, draw=draw) for problem in problems for draw in range(repeats)]
    groups = dict(explore(starts, task, tools, group_size=responses, params=params, seed=seed))
    return [[groups[place * repeats + draw] for draw in range(repeats)] for place in range(len(problems))]


def _count(
    plan: ReasoningControl,
    ballots: dict[str, _Ballots],
    problems: Sequence[Problem],
    task: Task,
    tools: Tools,
    *,
    seed: int,
) -> VoteSearch:
    """Votes are counted in every search; the plain one's n follows from what a controlled search took."""
    repeats, responses = len(ballots["plain"].groups[0]), len(ballots["plain"].groups[0][0])
    searches = len(problems) * repeats
    length = ballots["plain"].tokens / (searches * responses)
    n = min(max(1, int(np.ceil(ballots["controlled"].tokens / searches / length))), responses)
    sizes = {"controlled": [responses], "random": [responses], "plain": [n, 1]}
    columns, answers = [], 0
    for name, (groups, _) in ballots.items():
        votes = list(_votes(groups, sizes[name], problems, task, tools, seed=seed))
        columns += np.array([solved for solved, _ in votes]).T.tolist()
        answers += sum(answered for _, answered in votes)
    if not answers:
        raise ForageError("No response gives an answer that could be voted on: the task reads none, or none was given.")
    controlled, random, plain, single = (np.array(column) for column in columns)
    stacked = np.column_stack([controlled, random, plain, single, controlled - plain, controlled - random])
    if np.isnan(stacked).all():
        raise ForageError("Nothing that was decoded could be judged.")
    levels = intervals(stacked[None], seed=seed)
    return VoteSearch(
        plan=plan,
        problems=len(problems),
        repeats=repeats,
        responses=responses,
        n=n,
        controlled=levels[0],
        random=levels[1],
        plain=levels[2],
        single=levels[3],
        gain=levels[4],
        over_random=levels[5],
        controlled_tokens=ballots["controlled"].tokens / searches,
        random_tokens=ballots["random"].tokens / searches,
        plain_tokens=n * length,
        single_tokens=length,
    )


def _votes(
    groups: Sequence[Sequence[Sequence[Rollout]]],
    ns: Sequence[int],
    problems: Sequence[Problem],
    task: Task,
    tools: Tools,
    *,
    seed: int,
) -> Iterator[tuple[Floats, int]]:
    """(how often a vote of n is right, for every n; responses with an answer) of each problem, over its searches."""
    for problem, searches in zip(problems, groups, strict=True):
        solved, answered = [], 0
        for number, rollouts in enumerate(searches):
            texts = [rollout.text for rollout in rollouts]
            scores = tools.judge.submit(problem, texts).result()
            judged = [(text, score) for text, score in zip(texts, scores, strict=True) if score.judged]
            names = [task.answer(problem, text) for text, _ in judged]
            known = sorted({name for name in names if name is not None})
            answered += sum(name is not None for name in names)
            worth = np.array([float(score.correct) for _, score in judged])
            if not judged:
                solved.append([np.nan] * len(ns))
                continue
            ballot = [known.index(name) if name is not None else -1 for name in names]
            counts = [min(n, len(judged)) for n in ns]
            draws = derive_seed(seed, "votes", problem.id, number)
            solved.append(vote_of_n(ballot, np.ones(len(judged)), worth, counts, seed=draws))
        rows = np.array(solved)
        known_rows = rows[~np.isnan(rows[:, 0])]
        yield (known_rows.mean(axis=0) if len(known_rows) else np.full(len(ns), np.nan)), answered


def _row(name: str, share: Interval, tokens: float) -> tuple[Cell, ...]:
    return Cell(name), level_cell(share), Cell(f"{tokens:.0f}")
