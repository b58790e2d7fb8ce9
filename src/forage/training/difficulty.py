"""How hard problems are for a policy: responses until the first right one (R1-Searcher, arXiv 2503.05592)."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Problem, SamplingParams, Start
from forage.core.result_table import Cell, ResultTable
from forage.core.seeds import derive_seed
from forage.engines.local.engine import LocalEngine
from forage.engines.turns import open_for
from forage.ops.rollout_budget import difficulty_bucket
from forage.parts.explore.rollouts import to_request, to_rollout
from forage.parts.memory.difficulty_buckets import BUCKETS
from forage.training.checkpoints import open_checkpoint, split_problems
from forage.verification.judge import open_judge

WAVE = 8
"""Responses that a problem gets at once; what comes behind its first right one is not needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """One problem: the number of the first right response, from 1, among those that were judged; None for none."""

    problem: str
    tries: int | None
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulties:
    """All problems, in order, and the most responses that each got."""

    most: int
    problems: tuple[Difficulty, ...]

    def counts(self, *, medium: int = 10, hard: int = 20) -> dict[str, int]:
        """How many problems are in each bucket."""
        bucketed = Counter(difficulty_bucket(each.tries, medium=medium, hard=hard) for each in self.problems)
        return {name: bucketed[name] for name in BUCKETS}

    def table(self, *, medium: int = 10, hard: int = 20) -> ResultTable:
        rows = [(Cell(name), Cell(str(count))) for name, count in self.counts(medium=medium, hard=hard).items()]
        notes = (
            f"Responses until the first right one: easy below {medium}, medium to {hard}, hard beyond, unsolved with "
            f"none in {self.most}. {len(self.problems)} problems.",
        )
        return ResultTable(("bucket", "problems"), tuple(rows), notes)

    def save(self, path: Path) -> None:
        """Writes JSON lines, one for each problem, which `difficulty_buckets` reads."""
        rows = [{"id": each.problem, "tries": each.tries, "judged": each.judged} for each in self.problems]
        write_file(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def measure_difficulty(
    path: Path | str,
    *,
    task: Task | None = None,
    split: str = "train",
    problems: int | None = None,
    most: int = 40,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    engine: LocalEngine | None = None,
    on_progress: OnProgress | None = None,
) -> Difficulties:
    """Samples up to `most` responses to each problem, until one is right, by the checkpoint at `path`.

    Problems without a right response yet get another few, so easy ones cost little. A response that could not be judged
    is no try. `engine` takes the place of the checkpoint's own. Raises ForageError where a number is too small.
    """
    if most < 1:
        raise ForageError(f"A problem gets at least one response, not {most}.")
    opening = open_checkpoint(path, task=task, max_tokens=max_tokens)
    checkpoint, task = opening.checkpoint, opening.task
    chosen = split_problems(task, split, problems)
    opened, sampler, given = open_for(engine or checkpoint.engine, checkpoint.weights, task)
    params = SamplingParams(temperature=temperature, max_tokens=opening.max_tokens)
    with open_judge(task, checkpoint.verifying) as judge:
        tools = Tools(opened.codec, sampler, judge, given=given)
        return Difficulties(most=most, problems=tuple(_tried(chosen, task, tools, params, most, seed, on_progress)))


def _tried(
    problems: Sequence[Problem],
    task: Task,
    tools: Tools,
    params: SamplingParams,
    most: int,
    seed: int,
    on_progress: OnProgress | None,
) -> list[Difficulty]:
    """Waves of responses to the problems that are left; what is drawn depends on the seed, the problem and the wave."""
    known = [Difficulty(problem=problem.id, tries=None, judged=0) for problem in problems]
    left, drawn = list(range(len(problems))), 0
    while left and drawn < most:
        size = min(WAVE, most - drawn)
        requests = [
            to_request(
                Start(problems[place]),
                tools,
                params,
                group_size=size,
                seed=derive_seed(seed, "difficulty", problems[place].id, drawn),
            )
            for place in left
        ]
        waiting = {}
        for number, completions in tools.sampler.sample(requests, params):
            problem = problems[left[number]]
            texts = [to_rollout(Start(problem), each, task, tools.codec, 0).text for each in completions]
            waiting[left[number]] = tools.judge.submit(problem, texts)
        for place, scores in waiting.items():
            known[place] = counted(known[place], [score.correct for score in scores.result() if score.judged])
        left, drawn = [place for place in left if known[place].tries is None], drawn + size
        if on_progress is not None:
            on_progress(len(problems) - len(left), len(problems), f"{drawn} responses")
    return known


def counted(known: Difficulty, right: Sequence[bool]) -> Difficulty:
    """What is known of an unsolved problem, with the verdicts on its next responses in order."""
    first = next((number for number, correct in enumerate(right, 1) if correct), None)
    tries = None if first is None else known.judged + first
    return Difficulty(problem=known.problem, tries=tries, judged=known.judged + len(right))
