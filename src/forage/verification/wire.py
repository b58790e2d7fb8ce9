"""What crosses between a judge and its verifier processes, as JSON; and what counts as a verdict at all.

JSON escapes carry NUL characters and lone surrogates unharmed, and nothing that is read can run.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from forage.core.protocols import Task
from forage.core.records import UNJUDGED, Message, Problem, Score

MESSAGE_LIMIT = 500
"""Characters of an exception's text that are kept."""


def verdict(task: Task, problem: Problem, text: str) -> tuple[Score, str]:
    """The verifier's score in plain numbers with the mode of a right response, and why there is none ("" where there is
    one).

    An exception of the task, or a result that is not a score, is `UNJUDGED`. KeyboardInterrupt passes.
    """
    try:
        return with_mode(task, problem, text, _checked(task.verify(problem, text))), ""
    except (Exception, SystemExit) as error:
        return UNJUDGED, f"{type(error).__name__}: {error}"[:MESSAGE_LIMIT]


def with_mode(task: Task, problem: Problem, text: str, score: Score) -> Score:
    """The score with the mode of the response, where it is correct and the task names one."""
    mode = task.mode(problem, text) if score.correct else None
    return score if mode is None else replace(score, mode=str(mode))


def problem_to_json(problem: Problem) -> list[Any]:
    prompt = problem.prompt
    turns = prompt if isinstance(prompt, str) else [[message.role, message.content] for message in prompt]
    return [problem.id, turns, problem.answer, problem.task, list(problem.tags)]


def problem_from_json(values: Sequence[Any]) -> Problem:
    name, turns, answer, task, tags = values
    prompt = turns if isinstance(turns, str) else tuple(Message(role, content) for role, content in turns)
    return Problem(id=name, prompt=prompt, answer=answer, task=task, tags=tuple(tags))


def verdict_to_line(score: Score, reason: str) -> bytes:
    """One line of JSON: `[value, parts, steps, mode]`, or the reason as a string."""
    content = reason or [score.value, dict(score.parts), score.steps, score.mode]
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def verdict_from_line(line: bytes) -> tuple[Score, str]:
    """Raises ValueError where the line is not what `verdict_to_line` writes: a process may have been tampered with."""
    content = json.loads(line)
    if isinstance(content, str) and content:
        return UNJUDGED, content[:MESSAGE_LIMIT]
    if not isinstance(content, list) or len(content) != 4 or not isinstance(content[1], dict):
        raise ValueError("it is not a verdict")
    value, parts, steps, mode = content
    named = mode is None or isinstance(mode, str)
    listed = steps is None or isinstance(steps, list)
    if not (named and listed) or not all(map(_is_number, (value, *parts.values(), *(steps or ())))):
        raise ValueError("it is not a verdict")
    return Score(float(value), parts, None if steps is None else tuple(steps), mode=mode), ""


def _checked(score: Any) -> Score:
    if not isinstance(score, Score):
        raise TypeError(f"verify returned {type(score).__name__}, not a Score")
    steps = None if score.steps is None else tuple(map(float, score.steps))
    value = float(score.value)
    if math.isnan(value):
        value = math.nan
    return Score(value, {str(name): float(part) for name, part in score.parts.items()}, steps)


def _is_number(value: Any) -> bool:
    return type(value) is float or type(value) is int
