"""Which problems a model can be asked: prompts that are too long are left out, or refused before work begins."""

import warnings
from collections.abc import Sequence

from forage.core.errors import ForageError
from forage.core.protocols import Codec, Task
from forage.core.records import Problem


def check_held_out(task: Task, codec: Codec, *, max_prompt: int | None, max_tokens: int, context: int | None) -> None:
    """Raises ForageError where test problems, which nobody asks for before training is over, could not be asked then.

    A task without test problems passes.
    """
    try:
        problems = task.problems("test")
    except ForageError:
        return
    try:
        within_limits(problems, codec, max_prompt=max_prompt, max_tokens=max_tokens, context=context, which="test ")
    except ForageError as error:
        raise ForageError(f"The test problems could not be evaluated after training. {error}") from None


def within_limits(
    problems: Sequence[Problem],
    codec: Codec,
    *,
    max_prompt: int | None,
    max_tokens: int,
    context: int | None,
    which: str = "",
) -> tuple[Problem, ...]:
    """The problems whose prompts have at most `max_prompt` tokens; how many were left out is said by a warning.

    `which` names them in the warning. `context` is the model's number of positions, None where it has no limit. Raises
    ForageError where a prompt that is kept and a response of `max_tokens` do not fit into it, and where no problem is
    left.
    """
    if max_prompt is None and context is None:
        return tuple(problems)
    lengths = [len(codec.prompt(problem)) for problem in problems]
    kept = [
        (problem, length)
        for problem, length in zip(problems, lengths, strict=True)
        if max_prompt is None or length <= max_prompt
    ]
    if not kept:
        raise ForageError(
            f"Every prompt has more than {max_prompt} tokens; the shortest of {len(problems)} has {min(lengths)}. "
            "Raise `max_prompt_tokens`."
        )
    longest, length = max(kept, key=lambda pair: pair[1])
    if context is not None and length + max_tokens > context:
        fitting = context - max_tokens
        too_long = sum(length > fitting for _, length in kept)
        advice = (
            f"Leave long prompts out with `max_prompt_tokens` {fitting}, or lower `max_tokens`."
            if fitting >= min(length for _, length in kept)
            else "Lower `max_tokens`, or take a model with a longer context."
        )
        raise ForageError(
            f"{too_long} of {len(kept)} prompts leave no room for a response of {max_tokens} tokens in the model's "
            f"{context} positions; the longest, of problem {longest.id}, has {length}. {advice}"
        )
    if len(kept) < len(problems):
        warnings.warn(
            f"{len(problems) - len(kept)} of {len(problems)} {which}problems are left out: their prompts have more "
            f"than {max_prompt} tokens.",
            stacklevel=2,
        )
    return tuple(problem for problem, _ in kept)
