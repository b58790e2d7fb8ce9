"""Rounds of sampling that go on where a problem has not yet shown both sides (Reinforce-Ada, arXiv 2510.04996)."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from forage.core.errors import ForageError
from forage.core.protocols import Explore, Task, Tools
from forage.core.records import Rollout, SamplingParams, Score, Start
from forage.core.seeds import derive_seed
from forage.parts.explore.rollouts import to_request, to_rollout

Spend = Literal["needed", "random"]


@dataclass(frozen=True, kw_only=True)
class AdaptiveRounds(Explore):
    """A start gets rounds of `group_size` responses until `right` of them are right and `wrong` wrong by the verdict.

    There are at most `max_rounds` rounds, and all responses of a start are one group (its pool), however many they are.
    The first round is plain sampling, bit for bit. `spend` "random" is the control: each round has as many starts as
    still lack something, but any of them (of those in one process). Raises ForageError for settings out of range.
    """

    right: int = 2
    wrong: int = 2
    max_rounds: int = 4
    spend: Spend = "needed"

    def __post_init__(self) -> None:
        if min(self.right, self.wrong) < 0 or self.max_rounds < 1 or self.right + self.wrong < 1:
            raise ForageError(
                "Adaptive rounds need a number of right or of wrong responses to wait for and at least 1 round, not "
                f"{self.right}, {self.wrong} and {self.max_rounds}."
            )
        if self.spend not in get_args(Spend):
            raise ForageError(f'Rounds are spent where they are "needed" or at "random", not {self.spend!r}.')

    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        version = tools.sampler.version
        pools: list[list[Rollout]] = [[] for _ in starts]
        scores: list[list[Score]] = [[] for _ in starts]
        asked = list(range(len(starts)))
        for number in range(self.max_rounds):
            requests = [
                to_request(
                    starts[order],
                    tools,
                    params,
                    group_size=starts[order].group_size or group_size,
                    seed=derive_seed(seed, *starts[order].seed_parts, *(("round", number) if number else ())),
                )
                for order in asked
            ]
            pending = []
            for place, completions in tools.sampler.sample(requests, params):
                start = starts[asked[place]]
                rollouts = [to_rollout(start, each, task, tools.codec, version) for each in completions]
                pools[asked[place]] += rollouts
                pending.append((asked[place], tools.judge.submit(start.problem, [each.text for each in rollouts])))
            for order, verdict in pending:
                scores[order] += verdict.result()
            asked = self._again(scores, seed, number)
            if not asked:
                break
        yield from ((order, tuple(pool)) for order, pool in enumerate(pools))

    def _again(self, scores: Sequence[Sequence[Score]], seed: int, number: int) -> list[int]:
        """The starts that get another round."""
        lacking = [order for order, start_scores in enumerate(scores) if not self.enough(start_scores)]
        if self.spend == "needed":
            return lacking
        rng = random.Random(derive_seed(seed, "spend", number))
        return sorted(rng.sample(range(len(scores)), len(lacking)))

    def enough(self, scores: Sequence[Score]) -> bool:
        """Whether the judged responses show both sides."""
        right = sum(score.correct for score in scores)
        return right >= self.right and sum(score.judged for score in scores) - right >= self.wrong
