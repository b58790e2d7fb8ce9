"""What names the mode of a response where a part asks for it: the task, its answer, its text, or a rule for groups."""

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Rollout, Score

T = TypeVar("T")

ModeKey = Literal["mode", "answer", "text"]


class Ways(ABC):
    """Names the ways of right siblings by comparing them, where no key of one response alone can: a frozen dataclass.

    `known` are names that earlier calls gave in the same problem: a response of such a way gets its name again.
    Wrong and unjudged responses have no way (None).
    """

    @abstractmethod
    def __call__(
        self, rollouts: Sequence[Rollout], scores: Sequence[Score], known: Sequence[str] = ()
    ) -> tuple[str | None, ...]: ...


def check_mode_key(key: ModeKey | Ways, task: Task | None) -> None:
    """Raises ForageError for an unknown key, and for answers without the task that reads them."""
    if isinstance(key, Ways):
        return
    if key not in ("mode", "answer", "text"):
        raise ForageError(f'Modes are keyed by "mode" (the task\'s own), "answer" or "text", not {key!r}.')
    if key == "answer" and task is None:
        raise ForageError("Modes that are keyed by answers need the task that reads answers: give `task`.")


def mode_keys(
    rollouts: Sequence[Rollout],
    scores: Sequence[Score],
    *,
    key: ModeKey | Ways,
    task: Task | None,
    wrong: bool,
    known: Sequence[str] = (),
) -> tuple[str | None, ...]:
    """The mode of every response, None where it has none; with `wrong` the wrong ones have theirs too.

    "mode" is `Score.mode`, which only right responses have. "text" is the whole text, without blanks around it. `Ways`
    compare the right responses with each other and with those of the names `known`.
    """
    if isinstance(key, Ways):
        return key(rollouts, scores, known)
    return tuple(
        _key(rollout, score, key, task) if score.correct or (wrong and score.judged) else None
        for rollout, score in zip(rollouts, scores, strict=True)
    )


def permuted(values: Sequence[T | None], rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[T | None, ...]:
    """The values of siblings dealt anew among the right ones, and among the wrong ones; None stays where it is.

    Every mode keeps its size. The order is drawn from what the siblings say, so the same step gives the same one.
    """
    draw = drawn_from(rollouts)
    dealt = list(values)
    for side in (True, False):
        places = [i for i, score in enumerate(scores) if values[i] is not None and score.correct == side]
        for place, source in zip(places, draw.sample(places, len(places)), strict=True):
            dealt[place] = values[source]
    return tuple(dealt)


def drawn_from(rollouts: Sequence[Rollout]) -> random.Random:
    """Random numbers that depend on what siblings say and nothing else: placebos are dealt by them."""
    digest = hashlib.blake2b(rollouts[0].start.key.encode(), digest_size=8)
    for rollout in rollouts:
        digest.update(f"{rollout.version}:{','.join(map(str, rollout.tokens))};".encode())
    return random.Random(int.from_bytes(digest.digest()))


@dataclass(frozen=True, kw_only=True)
class DealtWays(Ways):
    """The names that the key `of` gives, dealt anew among the right siblings (`permuted`): the placebo of every way.

    As many ways of the same sizes, whose members have nothing in common. "answer" reads answers with `task`.
    """

    of: ModeKey | Ways
    task: Task | None = None

    def __post_init__(self) -> None:
        check_mode_key(self.of, self.task)

    def __call__(
        self, rollouts: Sequence[Rollout], scores: Sequence[Score], known: Sequence[str] = ()
    ) -> tuple[str | None, ...]:
        named = mode_keys(rollouts, scores, key=self.of, task=self.task, wrong=False, known=known)
        return permuted(named, rollouts, scores)


def _key(rollout: Rollout, score: Score, key: ModeKey, task: Task | None) -> str | None:
    if key == "mode":
        return score.mode
    if key == "answer" and task is not None:
        return task.answer(rollout.start.problem, rollout.text)
    return rollout.text.strip()
