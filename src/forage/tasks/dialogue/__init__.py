"""Dialogue: answer a request as the listeners like it, where what they like is known only by comparisons.

The preference task: reward models learn from comparisons of responses (`Dialogue.comparisons`), policies learn from
the reward models, and the listeners' own utility, which no training sees, tells whether that helped.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.core.seeds import derive_seed
from forage.tasks.dialogue.language import BEST, REQUESTS, judge, request_of, write
from forage.tasks.steps import ends_at

__all__ = ["Dialogue"]

LIKED = 4.0
"""A response of at least this utility counts as correct: nothing important is missing."""


@dataclass(frozen=True, kw_only=True)
class Dialogue(Task):
    """Requests and their listeners. A response scores its utility over the best one's, at most 1; negative if bad.

    `seed` selects what the careless writers write and how the comparisons fall; the requests of a split never change.
    """

    name: ClassVar[str] = "dialogue"

    seed: int = 0

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Dialogue has the splits 'train' and 'test', not {split!r}.")
        return tuple(_problem(request.prompt) for request in REQUESTS if request.split == split)

    def verify(self, problem: Problem, text: str) -> Score:
        """The hidden utility, over the best one. `correct` is 1 from a utility of 4 (of 4.5) on."""
        utility = judge(request_of(problem.prompt), text).utility
        return Score(utility / BEST, {"correct": float(utility >= LIKED), "utility": utility})

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """A step is a sentence."""
        return ends_at(pieces, lambda text: [match.end() for match in re.finditer(r"\.", text)])

    def written(self, amount: int) -> Iterator[tuple[str, str]]:
        """`amount` requests of the base split and what careless writers answered."""
        requests = [request for request in REQUESTS if request.split == "base"]
        for number in range(amount):
            random_ = random.Random(derive_seed(self.seed, "dialogue", number))
            request = random_.choice(requests)
            yield request.prompt, write(request, random_)


def rank(prompt: str, responses: Sequence[str], *, noise: float, seed: int) -> tuple[str, ...]:
    """The responses as a listener ranks them, best first: a draw from Plackett-Luce with strengths utility / noise.

    Sorting by utility / noise plus Gumbel noise is that draw (of two responses: Bradley-Terry). `noise=0` ranks by the
    utility alone.
    """
    request = request_of(prompt)
    random_ = random.Random(derive_seed(seed, "rank", prompt, *responses))
    gumbel = [-math.log(-math.log(max(random_.random(), 1e-12))) for _ in responses]
    strength = [judge(request, text).utility + noise * extra for text, extra in zip(responses, gumbel, strict=True)]
    order = sorted(range(len(responses)), key=lambda index: (-strength[index], index))
    return tuple(responses[index] for index in order)


def _problem(prompt: str) -> Problem:
    return Problem(id=f"dialogue:{prompt}", prompt=prompt, answer="", task=Dialogue.name)
