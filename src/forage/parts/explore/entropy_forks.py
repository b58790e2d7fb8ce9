"""Responses that are forked where uncertainty has risen (after ARPO, arXiv 2507.19849)."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.core.spans import own
from forage.ops.forks import check_fork_settings, fork_chance
from forage.parts.explore.forks import Chain, Fork, before_answer, grow_forks, root_counts

ForkPlaces = Literal["entropy", "random"]


@dataclass(frozen=True, kw_only=True)
class EntropyForks(Explore):
    """The share `roots` of the siblings begins at the start, the others go on from ends of steps of siblings.

    At each end of a step before the answer a sibling is forked with the chance `ops.forks.fork_chance`: `base`, and
    more where the next `window` tokens are less certain than its first ones. Forks are forked in turn until there are
    exactly `group_size` siblings; what nobody asks for is sampled from the start. The paper forks behind tool calls and
    measures the ten likeliest tokens; here it is the ends of steps and all tokens. `places` "random" is the control:
    as many forks of each sibling, at any of its ends. Raises ForageError for settings out of range.
    """

    roots: float = 0.5
    weight: float = 0.2
    base: float = 0.5
    window: int = 20
    unit: float = 11.93
    places: ForkPlaces = "entropy"

    def __post_init__(self) -> None:
        check_fork_settings(self.weight, self.unit, self.base)
        if not 0 < self.roots <= 1 or self.window < 1 or self.places not in get_args(ForkPlaces):
            raise ForageError(
                "Forks by entropy need a share of roots in (0, 1], a window of 1 token or more and places by entropy "
                f"or at random, not {self.roots}, {self.window} and {self.places!r}."
            )

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        roots = root_counts(starts, self.roots, group_size=group_size)

        def choose(
            grown: Sequence[Sequence[Rollout]], chains: Mapping[int, Sequence[Chain]], rooms: Mapping[int, int]
        ) -> dict[int, list[Fork]]:
            return {
                order: self._forks(grown[order], chains[order], room, task, tools, seed)
                for order, room in rooms.items()
            }

        yield from grow_forks(starts, roots, choose, task, tools, params, group_size=group_size, seed=seed)

    def _forks(
        self,
        rollouts: Sequence[Rollout],
        chains: Sequence[Chain],
        room: int,
        task: Task,
        tools: Tools,
        seed: int,
    ) -> list[Fork]:
        """At most `room` forks of the siblings that came last, earlier steps first; else the start fills the room.

        What a chain shares with its donor was asked before.
        """
        ends = {
            row: [
                end
                for end in rollouts[row].step_ends[:-1]
                if end > kept and before_answer(rollouts[row], end, task, tools)
            ]
            for row, kept in chains
        }
        steps = max(map(len, ends.values()), default=0)
        turns = [
            (row, row_ends[step]) for step in range(steps) for row, row_ends in ends.items() if step < len(row_ends)
        ]
        chosen = [Fork(row, end) for row, end in turns if self._forked(rollouts[row], row, end, seed)][:room]
        if self.places == "random":
            counts = Counter(fork.donor for fork in chosen)
            rng = random.Random(derive_seed(seed, *rollouts[0].start.seed_parts, "places", len(rollouts)))
            chosen = [Fork(row, end) for row, count in counts.items() for end in sorted(rng.sample(ends[row], count))]
        return chosen or [Fork(0, 0)] * room

    def _forked(self, rollout: Rollout, row: int, end: int, seed: int) -> bool:
        first = own(rollout.entropies, rollout.given)[: self.window]
        after = own(rollout.entropies, rollout.given, end)[: self.window]
        chance = fork_chance(first, after, weight=self.weight, unit=self.unit, base=self.base)
        return random.Random(derive_seed(seed, *rollout.start.seed_parts, "coin", row, end)).random() < chance
