"""Labeling the steps of solutions by sampling on from each of them (Math-Shepherd; ER-PRM, arXiv 2412.11006).

Work goes block by block (`shards`): whatever interrupts a labeling costs at most one block, and the run that continues
ends with the same bits. Solutions and continuations depend on the seed, the problem and the prefix alone. Solutions of
a block that share a prefix share its continuations.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from forage.core.answered import answered
from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Message, Problem, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.core.seeds import derive_seed
from forage.evaluation.samples import storable
from forage.parts.explore.rollouts import to_rollout
from forage.reward_models.prm.labels import LabeledSolution, StepCounts
from forage.reward_models.prm.shards import Share, block_directory, block_name, read_block, write_block
from forage.tasks.step_texts import step_texts

PROBLEMS_PER_BLOCK = 8

REPROMPT = """{prompt}

Below is the beginning of a solution. Take it as it stands, go on from where it stops, and finish with the answer.

{steps}"""
"""How a completer that was trained for chat is asked to go on; `{prompt}` and `{steps}` are filled in."""

Item = TypeVar("Item")

OnNote = Callable[[str], None]
"""Hears how far a block is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labeling:
    """How much is sampled: `solutions` of every problem, and `continuations` of every prefix that ends with a step.

    With `reprompt`, a text with {prompt} and {steps}, the completer meets question and steps so far as a new prompt
    and may answer with as many tokens as to any prompt: so the labels of arXiv 2412.11006 were made. Without it the
    response is truly continued, and ends where the whole response would.
    """

    solutions: int = 4
    continuations: int = 16
    seed: int = 0
    reprompt: str | None = None

    def __post_init__(self) -> None:
        if min(self.solutions, self.continuations) < 1:
            raise ForageError(
                f"Labeling needs at least one solution and one continuation, not {self.solutions} and "
                f"{self.continuations}."
            )
        if self.reprompt is not None and not ("{prompt}" in self.reprompt and "{steps}" in self.reprompt):
            raise ForageError("A re-prompt holds {prompt} and {steps}, where the question and the steps so far belong.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generators:
    """Who writes the solutions and who continues them: the reference policy in arXiv 2412.11006, often the same."""

    solver: Tools
    completer: Tools
    task: Task
    params: SamplingParams


@dataclass(frozen=True, slots=True, kw_only=True)
class SolutionInSteps:
    """A solution in steps before it is labeled: `prefixes` end with every step but the last, in tokens."""

    problem: Problem
    steps: tuple[str, ...]
    prefixes: tuple[tuple[int, ...], ...]
    outcome: int | None


@dataclass(frozen=True, slots=True)
class Labeled:
    """What is labeled so far, in order, and how many blocks are still missing: those of other processes."""

    solutions: tuple[LabeledSolution, ...]
    missing: int


def label(
    generators: Generators,
    problems: Sequence[Problem],
    plan: Labeling,
    *,
    identity: Mapping[str, Any],
    shards: Path,
    share: Share | None = None,
    on_progress: OnProgress | None = None,
) -> Labeled:
    """The labeled solutions of `problems`, in order; those in finished blocks below `shards` are not sampled again.

    `identity` (JSON) says which weights and task these are: with the plan and the sampling settings it keys the blocks.
    With `share`, blocks of others are left to them, and are missing where they are not finished. Solutions without any
    text have no steps and are left out. Raises ForageError where the completer does not read the solver's tokens, or
    where a file cannot be written.
    """
    directory = block_directory(shards, {**identity, "plan": asdict(plan), "params": asdict(generators.params)})
    blocks = in_blocks(problems, PROBLEMS_PER_BLOCK)
    names = [block_name([(problem.id, problem.prompt, problem.answer) for problem in block]) for block in blocks]
    work = [
        lambda note, block=block: count_steps(generators, _solve(generators, block, plan), plan, note)
        for block in blocks
    ]
    return through_blocks(directory, names, work, share or Share(), on_progress)


def in_blocks(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def through_blocks(
    directory: Path,
    names: Sequence[str],
    work: Sequence[Callable[[OnNote], list[LabeledSolution]]],
    share: Share,
    on_progress: OnProgress | None,
) -> Labeled:
    """Reads every finished block, and does and writes those of this share that are not finished yet."""
    labeled: list[LabeledSolution] = []
    missing = 0
    for number, (name, do) in enumerate(zip(names, work, strict=True)):
        solutions = read_block(directory / name)
        if solutions is None and share.has(number):

            def show(note: str, number: int = number) -> None:
                if on_progress is not None:
                    on_progress(number, len(names), f"blocks, {note}")

            solutions = do(show)
            write_block(directory / name, solutions)
        missing += solutions is None
        labeled += solutions or []
        if on_progress is not None:
            on_progress(number + 1, len(names), "blocks")
    return Labeled(tuple(labeled), missing)


def count_steps(
    generators: Generators, solutions: Sequence[SolutionInSteps], plan: Labeling, on_note: OnNote
) -> list[LabeledSolution]:
    """Continues every distinct prefix of the solutions and counts what comes of it; reports how far it is."""
    starts: dict[str, Start] = {}
    for solution in solutions:
        for prefix in solution.prefixes:
            start = Start(solution.problem, prefix)
            starts.setdefault(start.key, start)
    counts = _continue(generators, list(starts.values()), plan, on_note)
    return [
        LabeledSolution(
            problem=solution.problem.id,
            prompt=storable(solution.problem.question),
            steps=tuple(storable(step) for step in solution.steps),
            counts=tuple(counts[Start(solution.problem, prefix).key] for prefix in solution.prefixes),
            outcome=solution.outcome,
        )
        for solution in solutions
    ]


def verdict(score: Score) -> int | None:
    """1 right, 0 not, None not judged."""
    return int(_is_right(score)) if score.judged else None


def _solve(generators: Generators, problems: Sequence[Problem], plan: Labeling) -> list[SolutionInSteps]:
    solutions = []
    for rollout, score in _sample(generators, problems, plan):
        ends = step_texts(generators.solver.codec.pieces(rollout.tokens), rollout.step_ends)
        if ends:
            solutions.append(
                SolutionInSteps(
                    problem=rollout.start.problem,
                    steps=tuple(text for _, text in ends),
                    prefixes=tuple(rollout.tokens[:end] for end, _ in ends[:-1]),
                    outcome=verdict(score),
                )
            )
    return solutions


def _sample(generators: Generators, problems: Sequence[Problem], plan: Labeling) -> Iterator[tuple[Rollout, Score]]:
    tools = generators.solver
    requests = [
        SampleRequest(
            tokens=tools.codec.prompt(problem),
            group_size=plan.solutions,
            seed=derive_seed(plan.seed, "solution", problem.id),
        )
        for problem in problems
    ]
    pending: dict[int, tuple[list[Rollout], Future[tuple[Score, ...]]]] = {}
    for order, completions in tools.sampler.sample(requests, generators.params):
        start = Start(problems[order])
        rollouts = [
            to_rollout(start, each, generators.task, tools.codec, tools.sampler.version) for each in completions
        ]
        pending[order] = rollouts, tools.judge.submit(problems[order], [rollout.text for rollout in rollouts])
    for order in range(len(problems)):
        rollouts, verdict = pending[order]
        yield from zip(rollouts, verdict.result(), strict=True)


def _continue(
    generators: Generators, starts: Sequence[Start], plan: Labeling, on_note: OnNote
) -> dict[str, StepCounts]:
    """What came of the continuations of every start, by its key."""
    tools, limit = generators.completer, generators.params.max_tokens
    requests = []
    for start in starts:
        if tools.codec.decode(start.prefix) != generators.solver.codec.decode(start.prefix):
            raise ForageError("The completer reads other tokens than the solver writes: use models of one tokenizer.")
        requests.append(
            SampleRequest(
                tokens=_question(tools, start, plan.reprompt),
                group_size=plan.continuations,
                seed=derive_seed(plan.seed, "continuation", start.key),
                limit=limit if plan.reprompt else limit - len(start.prefix),
            )
        )
    pending = []
    for order, completions in tools.sampler.sample(requests, generators.params):
        start, room = starts[order], requests[order].limit
        texts = [tools.codec.decode(start.prefix + each.tokens[:room]) for each in completions]
        pending.append((start, texts, tools.judge.submit(start.problem, texts)))
        on_note(f"{len(pending)} of {len(starts)} prefixes continued")
    return {start.key: _count(generators.task, start.problem, texts, v.result()) for start, texts, v in pending}


def _question(tools: Tools, start: Start, reprompt: str | None) -> tuple[int, ...]:
    """What the completer reads: the prompt and the prefix, or both in a new prompt (in the user's turn of a chat)."""
    problem = start.problem
    if reprompt is None:
        return tools.codec.prompt(problem) + start.prefix
    parts = {"prompt": problem.question, "steps": tools.codec.decode(start.prefix).strip()}
    text = re.sub(r"{(prompt|steps)}", lambda place: parts[place[1]], reprompt)
    asked = text if isinstance(problem.prompt, str) else (Message("user", text),)
    try:
        return tools.codec.prompt(replace(problem, prompt=asked))
    except ForageError as error:
        if error.__cause__ is None:  # not the tokenizer's own
            raise
        raise ForageError(
            f"The completer's tokenizer cannot read the re-prompt ({error.__cause__}). Write it in words that it "
            "knows: `reprompt` '{prompt} {steps}'."
        ) from error


def _count(task: Task, problem: Problem, texts: Sequence[str], scores: Sequence[Score]) -> StepCounts:
    right = wrong = unanswered = unjudged = 0
    for text, score in zip(texts, scores, strict=True):
        if not score.judged:
            unjudged += 1
        elif _is_right(score):
            right += 1
        elif answered(task, problem, text, score):
            wrong += 1
        else:
            unanswered += 1
    return StepCounts(right, wrong, unanswered, unjudged)


def _is_right(score: Score) -> bool:
    if "correct" not in score.parts:
        raise ForageError('The task judged a response without saying whether it is correct: Score.parts["correct"].')
    return score.parts["correct"] >= 0.5
