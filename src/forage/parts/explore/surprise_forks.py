"""Chains that are forked at their most surprising tokens (the tree of TreeRL, arXiv 2506.11902)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.core.spans import inside
from forage.ops.forks import by_surprise
from forage.parts.explore.forks import Fork, before_answer, sample_forks, sample_roots

Places = Literal["surprise", "random"]


@dataclass(frozen=True, kw_only=True)
class SurpriseForks(Explore):
    """As many chains from the start as the budget allows, each with `branches` new ends from each of `forks` places.

    The places are the chain's least likely tokens before its answer, each drawn anew; `places` "random" takes any of
    them, which is the control. There are exactly `group_size` siblings: what does not divide, and what finds no place,
    is sampled from the start. Raises ForageError for settings out of range.
    """

    forks: int = 2
    branches: int = 2
    places: Places = "surprise"

    def __post_init__(self) -> None:
        if min(self.forks, self.branches) < 1 or self.places not in get_args(Places):
            raise ForageError(
                "Chains are forked at 1 or more places into 1 or more branches, by surprise or at random, not "
                f"{self.forks}, {self.branches} and {self.places!r}."
            )

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        sizes = [start.group_size or group_size for start in starts]
        chains = [size // (1 + self.forks * self.branches) for size in sizes]
        roots = [size - count * self.forks * self.branches for size, count in zip(sizes, chains, strict=True)]
        grown = sample_roots(starts, roots, task, tools, params, seed=seed)
        forks = {
            order: [
                Fork(row, place)
                for row in range(count)
                for place in self._places(grown[order][row], row, task, tools, seed)
                for _ in range(self.branches)
            ]
            for order, count in enumerate(chains)
        }
        sample_forks(starts, grown, forks, task, tools, params, seed=seed)
        yield from ((order, tuple(rollouts)) for order, rollouts in enumerate(grown))

    def _places(self, rollout: Rollout, row: int, task: Task, tools: Tools, seed: int) -> list[int]:
        """`forks` places, in order of preference; 0, the start, for those that are missing."""
        places = [place for place in by_surprise(rollout.logprobs) if not inside(rollout.given, place)]
        if self.places == "random":
            random.Random(derive_seed(seed, *rollout.start.seed_parts, "places", row)).shuffle(places)
        fitting = (place for place in places if before_answer(rollout, place, task, tools))
        chosen = [place for place, _ in zip(fitting, range(self.forks), strict=False)]
        return chosen + [0] * (self.forks - len(chosen))
