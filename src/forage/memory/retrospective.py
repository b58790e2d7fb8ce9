"""Retrospective replay: promising partial responses of an early policy, met again by a later one.

Inspired by RRL (arXiv 2504.14363), in which a critic is said to judge the states; here fresh continuations judge
them. Which states are kept, when they come back and how many is this project's design, stated at each setting.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from forage.errors import ForageError
from forage.memory.restart_store import Entry, RestartStore, StoreLimits
from forage.memory.shuffled import ShuffledProblems
from forage.protocols import Memory, MemoryConfig, Task, Tools
from forage.records import Group, Origin, Problem, Rollout, SamplingParams, Score, Start
from forage.seeds import derive_seed
from forage.values import MonteCarlo, StartValues

RECENT = 0.5
"""How much of a problem's running accuracy the newest group is."""


@dataclass(frozen=True, kw_only=True)
class ReplaySchedule:
    """When states are kept and how many come back, in steps counted from 1.

    States are kept up to `collect_until`. Their share of a step's starts is 0 before `replay_from`, grows to `share`
    over `ramp` steps, and falls to 0 over the last `fade` steps before `last`.
    """

    last: int
    collect_until: int
    replay_from: int
    share: float = 0.25
    ramp: int = 1
    fade: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ForageError(f"The share of replayed starts must lie in 0 ... 1, not {self.share}.")
        if min(self.last, self.replay_from, self.ramp, self.fade) < 1 or self.collect_until < 0:
            raise ForageError("last, replay_from, ramp and fade count steps from 1, collect_until from 0.")

    def share_at(self, step: int) -> float:
        """In [0, share]."""
        if step < self.replay_from:
            return 0.0
        return self.share * min(
            1.0, (step - self.replay_from + 1) / self.ramp, max(0.0, (self.last - step) / self.fade)
        )


@dataclass(frozen=True, kw_only=True)
class RetrospectiveReplay(MemoryConfig):
    """Fresh problems, and after a while also prefixes of early failures that could have gone well.

    Of each fresh group up to `traces` failed responses are looked at: every step end between the fractions `window` of
    the response is valued by `continuations` samples of the same policy (the chance of a right answer). The best of a
    response is kept if it is in the upper `quantile` of those looked at for its problem, and exceeds by `margin` the
    success rate of the problem itself. With `cut="random"` (the control) the same responses are kept for the same
    tokens, cut at a random one of the step ends that were looked at. Scores are renewed every `rescore_every` steps (0:
    never). With a share of 0 nothing is looked at, and the run is the one without this memory.
    """

    schedule: ReplaySchedule
    limits: StoreLimits = field(default_factory=StoreLimits)
    continuations: int = 8
    traces: int = 2
    window: tuple[float, float] = (0.2, 0.7)
    quantile: float = 0.8
    margin: float = 0.1
    tau: float = 0.2
    rescore_every: int = 20
    cut: Literal["value", "random"] = "value"

    def __post_init__(self) -> None:
        low, high = self.window
        if not 0 <= low < high < 1:
            raise ForageError(
                f"The window must satisfy 0 <= low < high < 1, not {self.window}: a whole response is over."
            )
        if not 0 <= self.quantile <= 1 or not self.tau > 0 or not -1 <= self.margin <= 1:
            raise ForageError("quantile must lie in 0 ... 1, margin in -1 ... 1, and tau must be above 0.")
        if self.continuations < 1 or self.traces < 1 or self.rescore_every < 0:
            raise ForageError("continuations and traces must be 1 or more, rescore_every 0 or more.")

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _Retrospective(self, problems, seed=seed)


class _Retrospective(Memory):
    def __init__(self, config: RetrospectiveReplay, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._problems = {problem.id: problem for problem in problems}
        self._store = RestartStore(config.limits)
        self._accuracy: dict[str, float] = {}
        self._draws = 0

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        wanted = int(self._config.schedule.share_at(step) * count)
        rng = random.Random(derive_seed(self._seed, "replay", self._draws))
        self._draws += 1
        again = self._store.draw(wanted, self._accuracy, self._config.tau, rng)
        replayed = (Start(self._problems[entry.problem], entry.prefix, Origin.REPLAY) for entry in again)
        return (*self._fresh.draw(count - len(again), step=step), *replayed)

    def study(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        config = self._config
        if config.schedule.share == 0:
            return {}
        values = StartValues(tools, params, MonteCarlo(continuations=config.continuations), seed)
        if step <= config.schedule.collect_until:
            self._collect(groups, task, tools, values, step, seed)
        if config.rescore_every and step % config.rescore_every == 0 and step < config.schedule.last:
            self._rescore(values, step)
        right = [_right(score) for group in groups if _replayed(group) for score in group.scores if score.judged]
        return {
            "replay_entries": len(self._store),
            "replay_share": sum(map(_replayed, groups)) / len(groups),
            "replay_correct": sum(right) / len(right) if right else math.nan,
        }

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)
        for group in groups:
            right = [_right(score) for score in group.scores if score.judged]
            name = group.start.problem.id
            if _replayed(group):
                self._store.tried((name, group.start.prefix), sum(right))
            elif right:
                rate = sum(right) / len(right)
                self._accuracy[name] = (1 - RECENT) * self._accuracy.get(name, rate) + RECENT * rate

    def state(self) -> dict[str, Any]:
        accuracy = dict(sorted(self._accuracy.items()))
        fresh, entries = self._fresh.state(), self._store.state()
        return {"fresh": fresh, "draws": self._draws, "accuracy": accuracy, "entries": entries}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._draws = int(state["draws"])
        self._accuracy = {name: float(rate) for name, rate in state["accuracy"].items()}
        self._store.restore(state["entries"])

    def _collect(
        self, groups: Sequence[Group], task: Task, tools: Tools, values: StartValues, step: int, seed: int
    ) -> None:
        looked: list[tuple[Group, list[tuple[Start, ...]]]] = []
        for number, group in enumerate(groups):
            rng = random.Random(derive_seed(seed, "traces", number))
            failed = [] if _replayed(group) else [one for one, score in _members(group) if not _right(score)]
            some = rng.sample(failed, min(self._config.traces, len(failed)))
            cuts = [cuts for one in some if (cuts := self._cuts(one, task, tools))]
            looked.append((group, cuts))
        asked = [start for _, traces in looked for cuts in traces for start in cuts]
        means = {start.key: value.mean for start, value in zip(asked, values(asked), strict=True)}
        for number, (group, traces) in enumerate(looked):
            right = [_right(score) for score in group.scores if score.judged]
            known = sorted(m for cuts in traces for start in cuts if (m := means[start.key]) == m)
            if not known:
                continue
            bar = max(
                known[int(self._config.quantile * (len(known) - 1))], sum(right) / len(right) + self._config.margin
            )
            rng = random.Random(derive_seed(seed, "cuts", number))
            for cuts in traces:
                judged = [start for start in cuts if means[start.key] == means[start.key]]
                best = max(judged, key=lambda start: means[start.key], default=None)
                if best is not None and means[best.key] >= bar:
                    kept = best if self._config.cut == "value" else rng.choice(cuts)
                    self._store.add(Entry(kept.problem.id, kept.prefix, means[best.key], created=step, scored=step))

    def _cuts(self, rollout: Rollout, task: Task, tools: Tools) -> tuple[Start, ...]:
        """The step ends in the window. None that gives an answer already: only reasoning is to be met again."""
        low, high = (fraction * len(rollout.tokens) for fraction in self._config.window)
        ends = [end for end in rollout.step_ends[:-1] if low <= end <= high]
        problem = rollout.start.problem
        prefixes = [rollout.start.prefix + rollout.tokens[:end] for end in ends]
        return tuple(
            Start(problem, prefix, Origin.REPLAY)
            for prefix in prefixes
            if task.answer(problem, tools.codec.decode(prefix)) is None
        )

    def _rescore(self, values: StartValues, step: int) -> None:
        entries = [entry for entry in self._store.live() if entry.scored < step]
        starts = [Start(self._problems[entry.problem], entry.prefix, Origin.REPLAY) for entry in entries]
        for entry, value in zip(entries, values(starts), strict=True):
            if value.judged:
                self._store.rescore(entry.key, value.mean, step)


def _members(group: Group) -> list[tuple[Rollout, Score]]:
    return [pair for pair in zip(group.rollouts, group.scores, strict=True) if pair[1].judged]


def _replayed(group: Group) -> bool:
    return group.start.origin is not Origin.POLICY


def _right(score: Score) -> bool:
    return score.parts.get("correct", score.value) >= 0.5
