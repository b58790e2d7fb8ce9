"""Two ways: an easy way that is right on every training problem, and a rare one that is right everywhere.

A policy that forgets the rare way loses nothing on the problems that it learns from and everything on the test
problems. What tells the two kinds apart has never mattered to the base model, and does not matter in training.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.records import Problem, Score
from forage.tasks.enumerable import Enumerable

SIGNS = "01234567"
LENGTH = 6
"""How many signs a trail has."""
BASE, TEST, TRAIN = 8_000, 1_024, 4_096
"""How many trails of both kinds base models learn from, and how many more there are for the two splits."""

Way = Literal["a", "b"]
WAYS: tuple[Way, Way] = ("a", "b")


@dataclass(frozen=True, kw_only=True)
class TwoWays(Enumerable):
    """Say where a trail of six signs leads, as `314053=`: to the last of them. The first letter says the way.

    Way `a` guesses that the first sign tells, as `a3`. Way `b` walks the trail and writes every sign, as `b314053`. A
    response is right where it repeats signs without an error and ends at the last one. Of training trails the last
    sign is the first again, so both ways are right; of test trails it is not, so only way `b` is. The mode of a right
    response is its way. `seed` selects the training trails; neither split meets the trails of the base models.
    """

    name: ClassVar[str] = "two_ways"

    seed: int = 0
    train_problems: int = 128
    test_problems: int = 256

    def __post_init__(self) -> None:
        for name, limit in (("train_problems", TRAIN), ("test_problems", TEST)):
            if not 1 <= getattr(self, name) <= limit:
                raise ForageError(f"{name} must lie between 1 and {limit}, not {getattr(self, name)}.")

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Two ways have the splits 'train' and 'test', not {split!r}.")
        if split == "test":
            return tuple(map(_problem, kept_trails(easy=False, amount=TEST)[: self.test_problems]))
        trails = kept_trails(easy=True, amount=TRAIN)
        return tuple(map(_problem, random.Random(f"two ways train {self.seed}").sample(trails, self.train_problems)))

    def verify(self, problem: Problem, text: str) -> Score:
        correct = float(self.answer(problem, text) == problem.answer and text in self.responses(problem))
        return Score(value=correct, parts={"correct": correct, "commit": float(self.answer(problem, text) is not None)})

    def answer(self, problem: Problem, text: str) -> str | None:
        return text[-1] if text[:1] in WAYS and text[1:] and set(text[1:]) <= set(SIGNS) else None

    def mode(self, problem: Problem, text: str) -> str | None:
        return text[:1] if text[:1] in WAYS else None

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Behind the letter and behind every sign; what is neither belongs to the sign before."""
        ends = [number for number, piece in enumerate(pieces) if piece and number]
        return (*ends, len(pieces))

    def reference(self, problem: Problem) -> str:
        return worked(_trail(problem), "b")

    def responses(self, problem: Problem) -> Sequence[str]:
        """Both ways without an error; on test trails that of `a` is wrong."""
        return [worked(_trail(problem), way) for way in WAYS]


def worked(trail: str, way: Way) -> str:
    """The response that takes a way without an error."""
    return way + (trail if way == "b" else trail[0])


@lru_cache(maxsize=1)
def all_trails() -> tuple[str, ...]:
    """Trails of both kinds, as many of each, in an order that is always the same. The first `BASE` are for base models.

    In pairs that differ in their last sign only: both kinds look alike but for what makes them one.
    """
    rng = random.Random("two ways")
    beginnings = rng.sample(["".join(signs) for signs in itertools.product(SIGNS, repeat=LENGTH - 1)], 10_000)
    pairs = [(each + each[0], each + rng.choice(SIGNS.replace(each[0], ""))) for each in beginnings]
    return tuple(trail for pair in pairs for trail in pair)


def kept_trails(*, easy: bool, amount: int) -> tuple[str, ...]:
    """The first of those that no base model learns from, of one kind: `easy` trails are solved by both ways."""
    return tuple(trail for trail in all_trails()[BASE:] if (trail[0] == trail[-1]) == easy)[:amount]


def _problem(trail: str) -> Problem:
    return Problem(id=f"two_ways:{trail}", prompt=f"{trail}=", answer=trail[-1], task=TwoWays.name)


def _trail(problem: Problem) -> str:
    assert isinstance(problem.prompt, str)
    return problem.prompt.removesuffix("=")
