"""What names the mode of a response where a part asks for it: the task, its answer, or its text."""

import hashlib
import random
from collections.abc import Sequence
from typing import Literal, TypeVar

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Rollout, Score

T = TypeVar("T")

ModeKey = Literal["mode", "answer", "text"]


def check_mode_key(key: str, task: Task | None) -> None:
    """Raises ForageError for an unknown key, and for answers without the task that reads them."""
    if key not in ("mode", "answer", "text"):
        raise ForageError(f'Modes are keyed by "mode" (the task\'s own), "answer" or "text", not {key!r}.')
    if key == "answer" and task is None:
        raise ForageError("Modes that are keyed by answers need the task that reads answers: give `task`.")


def mode_keys(
    rollouts: Sequence[Rollout], scores: Sequence[Score], *, key: ModeKey, task: Task | None, wrong: bool
) -> tuple[str | None, ...]:
    """The mode of every response, None where it has none; with `wrong` the wrong ones have theirs too.

    "mode" is `Score.mode`, which only right responses have. "text" is the whole text, without blanks around it.
    """
    return tuple(
        _key(rollout, score, key, task) if score.correct or (wrong and score.judged) else None
        for rollout, score in zip(rollouts, scores, strict=True)
    )


def permuted(values: Sequence[T | None], rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[T | None, ...]:
    """The values of siblings dealt anew among the right ones, and among the wrong ones; None stays where it is.

    Every mode keeps its size. The order is drawn from what the siblings say, so the same step gives the same one.
    """
    digest = hashlib.blake2b(rollouts[0].start.key.encode(), digest_size=8)
    for rollout in rollouts:
        digest.update(f"{rollout.version}:{','.join(map(str, rollout.tokens))};".encode())
    draw = random.Random(int.from_bytes(digest.digest()))
    dealt = list(values)
    for side in (True, False):
        places = [i for i, score in enumerate(scores) if values[i] is not None and score.correct == side]
        for place, source in zip(places, draw.sample(places, len(places)), strict=True):
            dealt[place] = values[source]
    return tuple(dealt)


def _key(rollout: Rollout, score: Score, key: ModeKey, task: Task | None) -> str | None:
    if key == "mode":
        return score.mode
    if key == "answer" and task is not None:
        return task.answer(rollout.start.problem, rollout.text)
    return rollout.text.strip()
