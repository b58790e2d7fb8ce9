"""Which partial responses of a step are promising: those looked at, what they are worth, where they are cut."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType
from typing import NamedTuple

from forage.core.answered import answered
from forage.core.protocols import Task, Tools
from forage.core.records import Group, Origin, Problem, Rollout, Start
from forage.core.seeds import derive_seed
from forage.parts.memory.outcomes import ended_well, is_replayed, usual_of
from forage.parts.memory.spoken import tokens_of
from forage.parts.values import Valuer

Cuts = tuple[Start, ...]
"""The step ends of a response that are looked at, in order."""

Cut = Callable[[Sequence[Start], Mapping[str, float], random.Random], Start]
"""Which start stands for a promising response, of its step ends in order, given their values by key."""


def at_best(cuts: Sequence[Start], means: Mapping[str, float], rng: random.Random) -> Start:
    """The step end of the highest value, the first of equals."""
    return max((start for start in cuts if means[start.key] == means[start.key]), key=lambda start: means[start.key])


def anywhere(cuts: Sequence[Start], means: Mapping[str, float], rng: random.Random) -> Start:
    """Any of the step ends: the placebo."""
    return rng.choice(cuts)


def at_beginning(cuts: Sequence[Start], means: Mapping[str, float], rng: random.Random) -> Start:
    """The problem itself: the same problem again, from its beginning."""
    return Start(cuts[0].problem, (), Origin.REPLAY)


CUTS: Mapping[str, Cut] = MappingProxyType({"value": at_best, "random": anywhere, "beginning": at_beginning})


@dataclass(frozen=True, slots=True)
class Looked:
    """How many responses and how many of their step ends were looked at.

    Of these, `answered` come behind the mark of an answer, and `skipped` of the others leave no room for a token; the
    rest was valued.
    """

    responses: int = 0
    ends: int = 0
    answered: int = 0
    skipped: int = 0

    @property
    def valued(self) -> int:
        return self.ends - self.answered - self.skipped

    def plus(self, other: "Looked") -> "Looked":
        return Looked(*(mine + others for mine, others in zip(astuple(self), astuple(other), strict=True)))


class Found(NamedTuple):
    """The starts to keep, each with the value of the best step end of the response that it is of."""

    kept: list[tuple[Start, float]]
    looked: Looked


@dataclass(frozen=True, kw_only=True)
class Search:
    """Up to `traces` responses of each fresh group are looked at, at their step ends between the fractions `window`.

    A response's best step end is promising if it is in the upper `quantile` of those looked at for its problem, and
    exceeds by `margin` what the problem itself is worth. Not valued are step ends behind the mark of an answer
    (`core/answered.py`), since only reasoning is to be met again, and those that leave no room for a token below
    `limit`, the length of a response.
    """

    traces: int
    window: tuple[float, float]
    quantile: float
    margin: float
    limit: int

    def promising(
        self, groups: Sequence[Group], right: bool, cut: Cut, task: Task, tools: Tools, values: Valuer, *, seed: int
    ) -> Found:
        """What to keep of the policy's own responses.

        `right` says whether right or wrong responses are looked at (`parts/memory/outcomes.py`, for graded rewards:
        high or low ones). Replayed starts are not looked at again.
        """
        looked = [
            (number, group, self._traces(group, right, number, seed))
            for number, group in enumerate(groups)
            if not is_replayed(group)
        ]
        return self._best(looked, cut, task, tools, values, seed)

    def solutions(
        self, groups: Sequence[Group], cut: Cut, task: Task, tools: Tools, values: Valuer, *, seed: int
    ) -> Found:
        """The same of the task's own right responses, to problems that a fresh group did not always solve."""
        looked = []
        for number, group in enumerate(groups):
            if not is_replayed(group) and self._ended(group, False):
                solution = solution_of(group.start.problem, task, tools)
                looked.append((number, group, [self._cuts(solution)] if solution else []))
        return self._best(looked, cut, task, tools, values, seed)

    def _best(
        self,
        looked: Sequence[tuple[int, Group, list[Cuts]]],
        cut: Cut,
        task: Task,
        tools: Tools,
        values: Valuer,
        seed: int,
    ) -> Found:
        candidates, seen = [], Looked()
        for number, group, traces in looked:
            fitting = []
            for cuts in traces:
                going = [start for start in cuts if not answered(task, start.problem, tools.codec.decode(start.prefix))]
                short = tuple(start for start in going if len(start.prefix) < self.limit)
                seen = seen.plus(Looked(1, len(cuts), len(cuts) - len(going), len(going) - len(short)))
                fitting += [short] if short else []
            if fitting:
                candidates.append((number, Start(group.start.problem), group, fitting))
        for _, root, group, _ in candidates:
            values.store(root, [score.value for score in group.scores if score.judged])
        asked = [
            start
            for _, root, _, traces in candidates
            for start in (root, *(state for cuts in traces for state in cuts))
        ]
        means = {start.key: value.mean for start, value in zip(asked, values(asked), strict=True)}
        kept = [
            restart
            for number, root, _, traces in candidates
            for restart in self._kept(root, traces, means, cut, number, seed)
        ]
        return Found(kept, seen)

    def _ended(self, group: Group, right: bool) -> list[Rollout]:
        usual, members = usual_of(group), zip(group.rollouts, group.scores, strict=True)
        return [rollout for rollout, score in members if score.judged and ended_well(score, usual) == right]

    def _traces(self, group: Group, right: bool, number: int, seed: int) -> list[Cuts]:
        rng = random.Random(derive_seed(seed, "traces", number))
        candidates = self._ended(group, right)
        drawn = rng.sample(candidates, min(self.traces, len(candidates)))
        return [self._cuts(rollout) for rollout in drawn]

    def _cuts(self, rollout: Rollout) -> Cuts:
        """The step ends in the window, never the last one: the response is over there."""
        low, high = (fraction * len(rollout.tokens) for fraction in self.window)
        ends = [end for end in rollout.step_ends[:-1] if low <= end <= high]
        problem = rollout.start.problem
        return tuple(Start(problem, rollout.start.prefix + rollout.tokens[:end], Origin.REPLAY) for end in ends)

    def _kept(
        self,
        root: Start,
        traces: Sequence[Sequence[Start]],
        means: Mapping[str, float],
        cut: Cut,
        number: int,
        seed: int,
    ) -> list[tuple[Start, float]]:
        known = sorted(mean for cuts in traces for start in cuts if (mean := means[start.key]) == mean)
        if not known:
            return []
        bar = max(known[int(self.quantile * (len(known) - 1))], means[root.key] + self.margin)
        rng = random.Random(derive_seed(seed, "cuts", number))
        best = [(cuts, max((m for start in cuts if (m := means[start.key]) == m), default=bar - 1)) for cuts in traces]
        return [(cut(cuts, means, rng), value) for cuts, value in best if value >= bar]


def solution_of(problem: Problem, task: Task, tools: Tools) -> Rollout | None:
    """The task's own right response as a response of the model; None where the task knows none."""
    text = task.reference(problem)
    if text is None or not (tokens := tokens_of(text, tools.codec)):
        return None
    nothing = (0.0,) * len(tokens)
    ends = task.step_ends(tools.codec.pieces(tokens))
    return Rollout(Start(problem), tokens, nothing, nothing, text, ends, "eos", tools.sampler.version)
