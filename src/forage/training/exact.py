"""A checkpoint asked for the chances of all its answers, where a task can list them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TypeGuard

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem
from forage.core.serialize import encode_part
from forage.engines.local.codec import LocalCodec
from forage.engines.local.engine import LocalEngine
from forage.engines.local.response_logprobs import response_logprobs
from forage.evaluation.exact import ExactEvaluation, ExactProblem
from forage.tasks.enumerable import Enumerable
from forage.training.checkpoints import open_checkpoint, split_problems

KS = (1, 8, 64)


def exact_evaluation(
    checkpoint: Path | str,
    *,
    task: Task | None = None,
    split: str = "test",
    problems: int | None = None,
    ks: Sequence[int] = KS,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    threads: int | None = None,
    engine: LocalEngine | None = None,
) -> ExactEvaluation:
    """pass@k, distinct@k and PCMD of a checkpoint from the chances of all its answers, without sampling.

    `task` and `engine` are the checkpoint's own unless given; `problems` takes the first so many of the split. A
    response that `max_tokens` cuts needs no end token, as in sampling; without it every response has to end.
    Exact where the tokenizer writes a text in one way, as those of the tiny base models do.

    Raises ForageError for a task that cannot list its answers.
    """
    opening = open_checkpoint(checkpoint, task=task, max_tokens=max_tokens)
    source, task = opening.checkpoint, opening.task
    if not can_enumerate(task):
        raise ForageError(
            f"The task {task.name!r} cannot list every response, so nothing about it is known exactly. "
            "Sample instead: leave the exact evaluation out."
        )
    asked = split_problems(task, split, problems)
    engine = engine or source.engine
    opened = (engine if threads is None else replace(engine, threads=threads)).open(str(source.weights))
    if opened.thinks:
        raise ForageError(
            f"{source.weights} thinks partly in embeddings, and its chances are not listed: leave the exact evaluation "
            "out, and sample."
        )
    limit, ends = max_tokens or source.max_tokens, opened.policy.model.stop_ids
    texts = [list(task.responses(problem)) for problem in asked]
    known = {text: _tokens(opened.codec, text, ends[0], limit) for text in set(chain.from_iterable(texts))}
    tokens = [[known[text] for text in row] for row in texts]
    kept = [[number for number, each in enumerate(row) if each is not None] for row in tokens]
    logprobs = response_logprobs(
        opened.policy.model,
        [opened.codec.prompt(problem) for problem in asked],
        [[each for each in row if each is not None] for row in tokens],
        temperature=temperature,
    )
    outcomes = (
        _outcome(task, problem, [row[number] for number in within], logprob.exp().tolist())
        for problem, row, within, logprob in zip(asked, texts, kept, logprobs, strict=True)
    )
    return ExactEvaluation(
        label=source.label,
        split=split,
        ks=tuple(ks),
        problems=tuple(outcomes),
        step=source.step,
        task=encode_part(task),
    )


def can_enumerate(task: Task) -> TypeGuard[Enumerable]:
    return isinstance(task, Enumerable)


def _tokens(codec: LocalCodec, text: str, end: int, limit: int | None) -> tuple[int, ...] | None:
    """A response as it is sampled: with its end, or cut at the limit; None where it does not fit."""
    tokens = codec.encode(text)
    if limit is not None and len(tokens) >= limit:
        return tokens if len(tokens) == limit else None
    return (*tokens, end)


def _outcome(task: Enumerable, problem: Problem, texts: Sequence[str], chances: Sequence[float]) -> ExactProblem:
    modes: dict[str, float] = {}
    correct = 0.0
    for text, chance in zip(texts, chances, strict=True):
        if not task.verify(problem, text).correct:
            continue
        correct += chance
        mode = task.mode(problem, text)
        if mode is not None:
            modes[mode] = modes.get(mode, 0.0) + chance
    return ExactProblem(
        problem=problem.id, correct=correct, listed=sum(chances), modes=modes if task.has_modes else None
    )
