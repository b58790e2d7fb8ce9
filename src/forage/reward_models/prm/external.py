"""Labeling solutions that somebody else wrote: their steps are continued by a policy of ours."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress, Task, Tools
from forage.core.records import Problem
from forage.reward_models.prm.formats import Rejected
from forage.reward_models.prm.label import (
    Generators,
    Labeled,
    Labeling,
    SolutionInSteps,
    count_steps,
    in_blocks,
    through_blocks,
    verdict,
)
from forage.reward_models.prm.shards import Share, block_directory, block_name
from forage.reward_models.prm.solutions import ExternalSolution
from forage.tasks.step_texts import step_texts

SOLUTIONS_PER_BLOCK = 32

Encode = Callable[[str], Sequence[int]]
"""A text of a response as tokens, with none added."""


@dataclass(frozen=True, slots=True)
class TokenizedSolution:
    """An external solution as the policy reads it: its problem, its steps, and the tokens up to the end of each."""

    problem: Problem
    steps: tuple[str, ...]
    prefixes: tuple[tuple[int, ...], ...]


def resolve_solutions(
    solutions: Sequence[ExternalSolution], task: Task, tools: Tools, encode: Encode, *, max_tokens: int
) -> tuple[list[TokenizedSolution], list[Rejected]]:
    """Finds the problem of every solution, cuts it into steps, and reads it with the policy's tokenizer.

    A problem is the task's own where id or prompt agree; else the row's `answer` makes one. Solutions with neither,
    that the tokenizer changes, or whose last step begins beyond `max_tokens` tokens are rejected.
    """
    by_id: dict[str, Problem] = {}
    by_prompt: dict[str, Problem] = {}
    for split in ("train", "test"):
        for problem in task.problems(split):
            by_id.setdefault(problem.id, problem)
            by_prompt.setdefault(problem.question.strip(), problem)
    resolved: list[TokenizedSolution] = []
    rejected: list[Rejected] = []
    for solution in solutions:
        own = by_id.get(solution.problem or "") or by_prompt.get(solution.prompt.strip())
        try:
            resolved.append(_read(solution, own or _new(solution, task), task, tools, encode, max_tokens))
        except ForageError as error:
            rejected.append(Rejected(solution.source, str(error)))
    return resolved, rejected


def label_external(
    generators: Generators,
    solutions: Sequence[TokenizedSolution],
    plan: Labeling,
    *,
    identity: Mapping[str, Any],
    shards: Path,
    share: Share | None = None,
    on_progress: OnProgress | None = None,
) -> Labeled:
    """As `label`, for solutions that exist already; `plan.solutions` is not used."""
    # "foreign", here and in the ids of problems, is stored: blocks of labels and random numbers are found by it.
    settings = {"plan": asdict(plan), "params": asdict(generators.params), "foreign": True}
    directory = block_directory(shards, {**identity, **settings})
    blocks = in_blocks(solutions, SOLUTIONS_PER_BLOCK)
    work = [
        lambda note, block=block: count_steps(generators, _judged(generators, block), plan, note) for block in blocks
    ]
    return through_blocks(directory, [block_name(block) for block in blocks], work, share or Share(), on_progress)


def _judged(generators: Generators, solutions: Sequence[TokenizedSolution]) -> list[SolutionInSteps]:
    pending = [generators.solver.judge.submit(each.problem, ["".join(each.steps)]) for each in solutions]
    return [
        SolutionInSteps(
            problem=each.problem, steps=each.steps, prefixes=each.prefixes, outcome=verdict(answer.result()[0])
        )
        for each, answer in zip(solutions, pending, strict=True)
    ]


def _new(solution: ExternalSolution, task: Task) -> Problem:
    if solution.answer is None:
        raise ForageError("its question is none of the task's own, and it has no answer to compare with")
    # Named by what it asks and by its answer: equal questions share their continuations, others never do.
    digest = hashlib.blake2b(f"{solution.prompt}\0{solution.answer}".encode("utf-8", "backslashreplace"), digest_size=8)
    return Problem(id=f"foreign:{digest.hexdigest()}", prompt=solution.prompt, answer=solution.answer, task=task.name)


def _read(
    solution: ExternalSolution, problem: Problem, task: Task, tools: Tools, encode: Encode, max_tokens: int
) -> TokenizedSolution:
    steps = solution.steps
    if solution.whole:
        pieces = tools.codec.pieces(encode(steps[0]))
        steps = tuple(text for _, text in step_texts(pieces, task.step_ends(pieces)))
    prefixes = []
    for end in range(1, len(steps)):
        text = "".join(steps[:end])
        tokens = tuple(encode(text))
        if tools.codec.decode(tokens).split() != text.split():
            raise ForageError(f"the policy's tokenizer reads {text[:40]!r} as {tools.codec.decode(tokens)[:40]!r}")
        if len(tokens) >= max_tokens:
            raise ForageError(
                f"{len(tokens)} tokens before its last step leave no room in {max_tokens}: raise `max_tokens`"
            )
        prefixes.append(tokens)
    return TokenizedSolution(problem, steps, tuple(prefixes))
