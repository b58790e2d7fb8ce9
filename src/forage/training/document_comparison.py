"""What a search that documents guide solves, beside plain responses that cost as many tokens, and beside its control.

Axes: P problems, R searches of a problem, N plain responses of each search.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Problem, SampleRequest, SamplingParams, Start
from forage.core.result_table import Cell, ResultTable
from forage.core.seeds import derive_seed
from forage.core.turns import Environment, environment_of
from forage.engines.local.engine import LocalEngine
from forage.evaluation.bootstrap import Interval, intervals
from forage.evaluation.tables import difference_cell, level_cell
from forage.ops.best_of_n import vote_of_n
from forage.parts.values.claim_tree import ClaimSearch, JudgedResponse, chosen
from forage.tasks.search import SearchEnvironment, chosen_environment
from forage.tasks.search.evidence import ClaimJudge, WordJudge
from forage.training.checkpoints import open_checkpoint, split_problems
from forage.training.document_search import AnswerSearch, StepReader, search
from forage.verification.judge import open_judge


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSearch:
    """What a search judged by documents solves, beside as many tokens of plain responses, and by other documents.

    Shares are means over problems with intervals over problems; `best_of_n` chooses among plain responses by the same
    judge and documents, `vote` without any. The three differences are the search minus those and minus its control,
    paired. Tokens are sampled tokens of one answer; n is rounded up, so plain sampling never has fewer.
    """

    plan: ClaimSearch
    problems: int
    repeats: int
    n: int
    search: Interval
    shuffled: Interval
    best_of_n: Interval
    vote: Interval
    single: Interval
    over_best_of_n: Interval
    over_vote: Interval
    over_shuffled: Interval
    search_tokens: float
    shuffled_tokens: float
    plain_tokens: float
    single_tokens: float
    depth: float
    supported: float

    def table(self) -> ResultTable:
        most = f"at most {self.plan.responses} responses"
        rows = [
            _row(f"search judged by documents, {most}", self.search, self.search_tokens),
            _row(f"the same by shuffled documents, {most}", self.shuffled, self.shuffled_tokens),
            _row(f"plain, best of {self.n} by the documents", self.best_of_n, self.plain_tokens),
            _row(f"plain, {self.n} vote", self.vote, self.plain_tokens),
            _row("one plain response", self.single, self.single_tokens),
            (Cell("search minus best-of-n"), difference_cell(self.over_best_of_n), Cell("")),
            (Cell("search minus vote"), difference_cell(self.over_vote), Cell("")),
            (Cell("search minus shuffled documents"), difference_cell(self.over_shuffled), Cell("")),
        ]
        notes = (
            f"Share of {self.problems} problems solved, {self.repeats} searches each; 95% intervals over problems.",
            f"An answer has {self.depth:.1f} steps; documents support all of them in {self.supported:.0%} of the "
            "searches. Nothing that was sampled has read a document.",
        )
        return ResultTable(("decoded by", "solved", "tokens"), tuple(rows), notes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Pool(NamedTuple):
    """`responses[p][r]`: plain responses, judged by the documents; `length` is the mean of their tokens."""

    responses: list[list[list[JudgedResponse]]]
    length: float


def document_search(
    path: Path | str,
    *,
    documents: SearchEnvironment | str | None = None,
    judge: ClaimJudge | None = None,
    plan: ClaimSearch | None = None,
    task: Task | None = None,
    split: str = "test",
    problems: int | None = None,
    repeats: int = 4,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    engine: LocalEngine | None = None,
    on_progress: OnProgress | None = None,
) -> DocumentSearch:
    """Solves problems `repeats` times by the checkpoint at `path`, with documents that only judge what it writes.

    `documents` (`search:FILE`, or built) are those that the task's environment searches, unless given; that environment
    answers nothing here. `judge` is `WordJudge()` unless given. `engine` takes the place of the checkpoint's own.
    Raises ForageError where there are no documents, a number is too small, or nothing can be judged.
    """
    if repeats < 1:
        raise ForageError(f"There must be at least one search of a problem, not {repeats}.")
    plan, judge = plan or ClaimSearch(), judge or WordJudge()
    opening = open_checkpoint(path, task=task, max_tokens=max_tokens)
    checkpoint, task = opening.checkpoint, opening.task
    searched = searchable(task, documents)
    chosen_problems = split_problems(task, split, problems)
    opened = (engine or checkpoint.engine).open(str(checkpoint.weights))
    params = SamplingParams(temperature=temperature, max_tokens=opening.max_tokens)
    starts = [Start(problem, draw=draw) for problem in chosen_problems for draw in range(repeats)]
    with open_judge(task, checkpoint.verifying) as verifier:
        tools = Tools(opened.codec, opened.sampler, verifier)
        reader = StepReader(task, tools, searched, judge, plan.refine)
        searches: dict[str, list[AnswerSearch]] = {}
        for done, (name, asked) in enumerate((("search", searched), ("shuffled", replace(searched, shuffled=True))), 1):
            arm = replace(reader, documents=asked)
            searches[name] = search(plan, starts, arm, params, seed=derive_seed(seed, "search"))
            if on_progress is not None:
                on_progress(done, 3, name)
        pool = _sample(starts, replace(reader, refine=False), params, plan.responses, repeats, seed=seed)
        if on_progress is not None:
            on_progress(3, 3, "plain")
        return _count(plan, searches, pool, chosen_problems, tools, repeats=repeats, seed=seed)


def searchable(task: Task, documents: SearchEnvironment | str | None) -> SearchEnvironment:
    """The documents that were named, else those of the task. Raises ForageError where there are none."""
    environment: Environment | None = chosen_environment(documents) if documents else environment_of(task)
    if not isinstance(environment, SearchEnvironment):
        raise ForageError(
            f"The task {task.name} has no documents to search. Name them: search:documents.jsonl, or a folder of texts."
        )
    return environment


def _sample(
    starts: Sequence[Start], reader: StepReader, params: SamplingParams, size: int, repeats: int, *, seed: int
) -> _Pool:
    tools = reader.tools
    requests = [
        SampleRequest(tools.codec.prompt(start.problem), size, derive_seed(seed, "plain", *start.seed_parts))
        for start in starts
    ]
    drawn = sorted(tools.sampler.sample(requests, params), key=lambda numbered: numbered[0])
    length = sum(len(each.tokens) for _, completions in drawn for each in completions) / (size * len(starts))
    read = [
        [reader.read(starts[place].problem, (), each, room=params.max_tokens) for each in completions]
        for place, completions in drawn
    ]
    return _Pool([read[first : first + repeats] for first in range(0, len(read), repeats)], length)


def _count(
    plan: ClaimSearch,
    searches: dict[str, list[AnswerSearch]],
    pool: _Pool,
    problems: Sequence[Problem],
    tools: Tools,
    *,
    repeats: int,
    seed: int,
) -> DocumentSearch:
    """Verdicts on what every arm hands in; the plain one's n follows from what a search took."""
    spent = {name: sum(each.tokens for each in arm) / len(arm) for name, arm in searches.items()}
    n = min(max(1, int(np.ceil(spent["search"] / pool.length))), plan.responses)
    columns = []
    for place, problem in enumerate(problems):
        mine = slice(place * repeats, (place + 1) * repeats)
        handed = [[each.answer.text for each in searches[name][mine]] for name in ("search", "shuffled")]
        solved = [_share(_right(tools, problem, texts)) for texts in handed]
        columns.append([*solved, *_plain(pool.responses[place], n, problem, tools, seed=seed)])
    measured = np.array(columns)  # (P, 5)
    stacked = np.column_stack([measured, *(measured[:, 0] - measured[:, other] for other in (2, 3, 1))])
    if np.isnan(stacked).all():
        raise ForageError("Nothing that was decoded could be judged.")
    names = ("search", "shuffled", "best_of_n", "vote", "single", "over_best_of_n", "over_vote", "over_shuffled")
    answers = [each.answer for each in searches["search"]]
    return DocumentSearch(
        plan=plan,
        problems=len(problems),
        repeats=repeats,
        n=n,
        **dict(zip(names, intervals(stacked[None], seed=seed), strict=True)),
        search_tokens=spent["search"],
        shuffled_tokens=spent["shuffled"],
        plain_tokens=n * pool.length,
        single_tokens=pool.length,
        depth=sum(len(each.steps) for each in answers) / len(answers),
        supported=sum(each.settles for each in answers) / len(answers),
    )


def _plain(
    searches: Sequence[Sequence[JudgedResponse]], n: int, problem: Problem, tools: Tools, *, seed: int
) -> tuple[float, float, float]:
    """(best of n by the documents, vote of n, one response) of a problem, over all whole groups of n of its pools."""
    best, votes, single = [], [], []
    for number, responses in enumerate(searches):
        worth = _right(tools, problem, [each.text for each in responses])
        for first in range(0, len(responses) - n + 1, n):
            best.append(worth[first + chosen(responses[first : first + n])])
        single += worth.tolist()
        known = ~np.isnan(worth)
        if known.any():
            names = [each.answer for each, judged in zip(responses, known, strict=True) if judged]
            order = sorted({name for name in names if name is not None})
            ballot = [-1 if name is None else order.index(name) for name in names]
            size, draws = min(n, len(names)), derive_seed(seed, "votes", problem.id, number)
            votes.append(vote_of_n(ballot, np.ones(len(names)), worth[known], [size], seed=draws)[0])
    return _share(best), _share(votes), _share(single)


def _right(tools: Tools, problem: Problem, texts: Sequence[str]) -> np.ndarray:
    """(texts,) float64: 1 for a right response, 0 for another one, NaN for one that was not judged."""
    scores = tools.judge.submit(problem, texts).result()
    return np.array([float(score.correct) if score.judged else np.nan for score in scores])


def _share(worth: Sequence[float] | np.ndarray) -> float:
    """The mean of what was judged; NaN where nothing was."""
    known = np.asarray(worth, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def _row(name: str, share: Interval, tokens: float) -> tuple[Cell, ...]:
    return Cell(name), level_cell(share), Cell(f"{tokens:.0f}")
