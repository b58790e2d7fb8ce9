"""Problems that the policy fails, begun for it with a part of a right solution (POPE, PrefixRL, QuestA).

arXiv 2601.18779, 2601.18795 and 2507.13266. The prefix is given, never learned from; what is learned is to finish.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from forage.core.answered import answered
from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Origin, Problem, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.memory.first_solved import FirstSolved
from forage.parts.memory.outcomes import ends_unsaid, is_replayed, require_verdicts, share_right
from forage.parts.memory.promising import solution_of
from forage.parts.memory.shuffled import ShuffledProblems

Source = Literal["own", "reference", "both"]
Donor = Literal["same", "other"]


@dataclass(frozen=True, kw_only=True)
class PrefixGuided(MemoryConfig):
    """At most `share` of a step's starts are prefixes of solutions to hard problems; the others are fresh problems.

    A problem is hard where at most the share `hard` of its last unguided siblings was right. Its solution is the first
    right response of the policy (`source` "own"), the task's own ("reference"), or whichever comes first. A prefix is
    one of `levels` shares of the solution, up to `longest`: the level rises where a guided group had no success and
    falls where all succeeded, which looks for the shortest prefix that helps. Prefixes that give an answer or are right
    as they stand are never used, nor is a whole solution. `donor` "other" is the control: as long a prefix, of the
    solution to another problem.
    """

    limit: int
    share: float = 0.5
    longest: float = 0.5
    levels: int = 4
    hard: float = 0.0
    source: Source = "own"
    donor: Donor = "same"

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and 0 <= self.hard <= 1 and 0 < self.longest < 1 and self.levels >= 1):
            raise ForageError(
                "Guided prefixes need share and hard in 0 ... 1, longest between 0 and 1 (never a whole one) and 1 "
                f"or more levels, not {self.share}, {self.hard}, {self.longest} and {self.levels}."
            )
        if self.source not in get_args(Source) or self.donor not in get_args(Donor):
            raise ForageError(
                f"Solutions are {', '.join(get_args(Source))} and of the same or another problem, not {self.source!r} "
                f"and {self.donor!r}."
            )

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _PrefixGuided(self, problems, seed=seed)


@dataclass(frozen=True, slots=True)
class Solution:
    """A right response and the lengths, in rising order, at which it may be cut."""

    tokens: tuple[int, ...]
    cuts: tuple[int, ...]


class _PrefixGuided(Memory):
    def __init__(self, config: PrefixGuided, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._problems = {problem.id: problem for problem in problems}
        self._solutions: dict[str, Solution] = {}
        self._levels: dict[str, int] = {}
        self._rates: dict[str, float] = {}
        self._first = FirstSolved()
        self._draws = 0

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        rng = random.Random(derive_seed(self._seed, "guided", self._draws))
        self._draws += 1
        hard = self._hard()
        chosen = rng.sample(hard, min(int(self._config.share * count), len(hard)))
        guided = [Start(self._problems[name], self._prefix(name, rng), Origin.RIGHT) for name in chosen]
        return (*self._fresh.draw(count - len(guided), step=step), *guided)

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """Looks for solutions; says how guided and unguided groups ended, apart.

        Raises ForageError where rewards are graded: nothing then says which responses are right.
        """
        require_verdicts(groups, what="A guided prefix")
        for group in groups:
            name = group.start.problem.id
            if name not in self._solutions and not is_replayed(group):
                tokens = self._solution(group, task, tools)
                if tokens:
                    self._solutions[name] = Solution(tokens, self._cuts(group.start.problem, tokens, task, tools))
        self._first.note(groups, step)
        guided = [group for group in groups if is_replayed(group)]
        lengths = [len(group.start.prefix) for group in guided]
        return {
            "guided_share": len(guided) / len(groups),
            "guided_correct": share_right(guided),
            "unguided_correct": share_right([group for group in groups if not is_replayed(group)]),
            "guided_tokens": math.fsum(lengths) / len(lengths) if lengths else math.nan,
            **self._first.counts(),
        }

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)
        for group in groups:
            name, rate = group.start.problem.id, share_right([group])
            if math.isnan(rate):
                continue
            if not is_replayed(group):
                self._rates[name] = rate
            elif rate in (0.0, 1.0):
                level = self._levels.get(name, 0) + (1 if rate == 0 else -1)
                self._levels[name] = min(max(level, 0), len(self._solutions[name].cuts) - 1)

    def state(self) -> dict[str, Any]:
        solutions = {
            name: [list(solution.tokens), list(solution.cuts)] for name, solution in sorted(self._solutions.items())
        }
        known = {"levels": dict(sorted(self._levels.items())), "rates": dict(sorted(self._rates.items()))}
        first = self._first.state()
        return {"fresh": self._fresh.state(), "draws": self._draws, "solutions": solutions, "first": first, **known}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._draws = int(state["draws"])
        self._solutions = {
            name: Solution(tuple(all_), tuple(cuts)) for name, (all_, cuts) in state["solutions"].items()
        }
        self._levels = {name: int(level) for name, level in state["levels"].items()}
        self._rates = {name: float(rate) for name, rate in state["rates"].items()}
        self._first.restore(state["first"])

    def _hard(self) -> list[str]:
        """The problems that are failed and have a solution that may be cut; with another's prefixes, also a donor."""
        ready = sorted(name for name, solution in self._solutions.items() if solution.cuts)
        if self._config.donor == "other" and len(ready) < 2:
            return []
        return [name for name in ready if self._rates.get(name, 1.0) <= self._config.hard]

    def _prefix(self, name: str, rng: random.Random) -> tuple[int, ...]:
        own = self._solutions[name]
        size = own.cuts[self._levels.get(name, 0)]
        if self._config.donor == "same":
            return own.tokens[:size]
        others = sorted(other for other, solution in self._solutions.items() if solution.cuts and other != name)
        donor = self._solutions[rng.choice(others)]
        return donor.tokens[: max((cut for cut in donor.cuts if cut <= size), default=donor.cuts[0])]

    def _solution(self, group: Group, task: Task, tools: Tools) -> tuple[int, ...]:
        """The tokens of a right response without an end token; () where there is none."""
        if self._config.source != "reference":
            for rollout, score in zip(group.rollouts, group.scores, strict=True):
                if score.correct:
                    return rollout.tokens[:-1] if ends_unsaid(rollout, tools.codec) else rollout.tokens
        if self._config.source == "own":
            return ()
        known = solution_of(group.start.problem, task, tools)
        return known.tokens if known else ()

    def _cuts(self, problem: Problem, tokens: tuple[int, ...], task: Task, tools: Tools) -> tuple[int, ...]:
        config = self._config
        sizes = {int(config.longest * level / config.levels * len(tokens)) for level in range(1, config.levels + 1)}
        fitting = [size for size in sorted(sizes) if 0 < size < min(len(tokens), config.limit)]
        texts = [tools.codec.decode(tokens[:size]) for size in fitting]
        open_ = [place for place, text in enumerate(texts) if not answered(task, problem, text)]
        scores = tools.judge.submit(problem, [texts[place] for place in open_]).result() if open_ else ()
        return tuple(fitting[place] for place, score in zip(open_, scores, strict=True) if not score.correct)
