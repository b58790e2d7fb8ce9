"""Retrospective replay: promising partial responses of an early policy, met again by a later one.

Inspired by RRL (arXiv 2504.14363), in which a critic is said to judge the states; here fresh continuations judge
them. Which states are kept, when they come back and how many is this project's design, stated at each setting.
"""

import math
import random
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Origin, Problem, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.memory.first_solved import FirstSolved
from forage.parts.memory.nothing_kept import why_nothing
from forage.parts.memory.outcomes import Scale, ended_well, is_replayed, usual_of, widened
from forage.parts.memory.promising import CUTS, Looked, Search
from forage.parts.memory.replay_schedule import ReplaySchedule
from forage.parts.memory.restart_store import RestartStore, StoredState, StoreLimits
from forage.parts.memory.shuffled import ShuffledProblems
from forage.parts.values import MonteCarlo, Valuer, ValueSource

RECENT = 0.5
"""How much of a problem's running accuracy the newest group is."""


@dataclass(frozen=True, kw_only=True)
class RetrospectiveReplay(MemoryConfig):
    """Fresh problems, and after a while also prefixes of early failures that could have gone well.

    Of each fresh group up to `traces` failed responses are looked at: every step end between the fractions `window` of
    the response is valued by `values` (None: `continuations` samples of the same policy, the mean of their rewards).
    The best of a response is kept if it is in the upper `quantile` of those looked at for its problem, and exceeds by
    `margin` the value of the problem itself. Scores are renewed every `rescore_every` steps (0: never). With a
    share of 0 nothing is looked at, and the run is the one without this memory. With `solutions` the right responses
    that the task itself knows are looked at as well, by the same rules, for problems that were not always solved: that
    lets answers in which no policy found.

    Where the reward is graded (`Score.graded`: a model's, in the place of the verdict) the failures are the responses
    below the mean of their siblings, a success is a response that is not below what is usual for its problem from the
    beginning, and `margin` and `tau`, given for rewards of 0 ... 1, are of the range of the rewards met so far. The
    verifier is then never asked.

    The controls: with `cut="random"` the same responses are kept for the same tokens, cut at a random one of the step
    ends that were looked at; with `cut="beginning"` only their problems are, to be drawn again from the beginning (not
    in a step in which they are drawn anyway); with `responses="right"` it is successes that are cut back.
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
    cut: Literal["value", "random", "beginning"] = "value"
    responses: Literal["wrong", "right"] = "wrong"
    values: ValueSource | None = None
    solutions: bool = False

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

    @property
    def source(self) -> ValueSource:
        return self.values or MonteCarlo(continuations=self.continuations)

    def search(self, limit: int, unit: float) -> Search:
        margin = self.margin * unit
        return Search(traces=self.traces, window=self.window, quantile=self.quantile, margin=margin, limit=limit)

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _Retrospective(self, problems, seed=seed)


class _Retrospective(Memory):
    def __init__(self, config: RetrospectiveReplay, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._problems = {problem.id: problem for problem in problems}
        self._store = RestartStore(config.limits)
        self._usual: dict[str, float] = {}
        self._graded: Scale | None = None
        self._first = FirstSolved()
        self._looked = Looked()
        self._draws = 0

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        wanted = int(self._config.schedule.share_at(step) * count)
        rng = random.Random(derive_seed(self._seed, "replay", self._draws))
        self._draws += 1
        fresh = self._fresh.draw(count - wanted, step=step)
        # A problem drawn twice from its beginning would be sampled with one seed: the same responses twice.
        bare = {(start.problem.id, start.prefix) for start in fresh}
        easy = {name: self._scale.standing(usual) for name, usual in self._usual.items()}
        again = self._store.draw(wanted, easy, self._config.tau * self._scale.unit, rng, without=bare)
        replayed = (Start(self._problems[entry.problem], entry.prefix, Origin.REPLAY) for entry in again)
        return (*fresh, *self._fresh.draw(wanted - len(again), step=step), *replayed)

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        config = self._config
        if config.schedule.share == 0:
            return {}
        self._graded = widened(self._graded, groups)
        values = config.source.open(task, tools, params, seed=seed)
        looked = Looked()
        if step <= config.schedule.collect_until:
            looked = self._collect(groups, task, tools, values, params.max_tokens, step, seed)
            self._looked = self._looked.plus(looked)
            if step == config.schedule.collect_until and not len(self._store):
                why = why_nothing(self._looked, responses=config.responses, window=config.window, margin=config.margin)
                warnings.warn(why, stacklevel=2)
        if config.rescore_every and step % config.rescore_every == 0 and step < config.schedule.last:
            self._rescore(values, step)
        self._first.note(groups, step)
        unvalued = {"replay_answered": looked.answered, "replay_skipped": looked.skipped}
        return {**self._metrics(groups, step), **unvalued, **self._first.counts()}

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)
        for group in groups:
            name, now = group.start.problem.id, usual_of(group)
            if is_replayed(group):
                usual = self._usual.get(name, now)
                well = [ended_well(score, usual) for score in group.scores if score.judged]
                self._store.tried((name, group.start.prefix), sum(well))
            elif not math.isnan(now):
                self._usual[name] = (1 - RECENT) * self._usual.get(name, now) + RECENT * now

    @property
    def _scale(self) -> Scale:
        return self._graded or Scale()

    def state(self) -> dict[str, Any]:
        state = {"fresh": self._fresh.state(), "draws": self._draws, "usual": dict(sorted(self._usual.items()))}
        graded = asdict(self._graded) if self._graded else None
        kept = {"entries": self._store.state(), "first": self._first.state(), "looked": asdict(self._looked)}
        return {**state, **kept, "graded": graded}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._draws = int(state["draws"])
        usual = state["usual"] if "usual" in state else state["accuracy"]  # its name before rewards could be graded
        self._usual = {name: float(rate) for name, rate in usual.items()}
        graded = state.get("graded")
        self._graded = Scale(**graded) if graded else None
        self._store.restore(state["entries"])
        self._first.restore(state.get("first", {}))
        self._looked = Looked(**state.get("looked", {}))

    def _collect(
        self, groups: Sequence[Group], task: Task, tools: Tools, values: Valuer, limit: int, step: int, seed: int
    ) -> Looked:
        """Keeps what is promising; returns what was looked at."""
        search, cut = self._config.search(limit, self._scale.unit), CUTS[self._config.cut]
        own = search.promising(groups, self._config.responses == "right", cut, task, tools, values, seed=seed)
        for start, value in own.kept:
            self._store.add(StoredState(start.problem.id, start.prefix, value, created=step, scored=step, first=value))
        if not self._config.solutions:
            return own.looked
        known = search.solutions(groups, cut, task, tools, values, seed=seed)
        for start, value in known.kept:
            entry = StoredState(start.problem.id, start.prefix, value, created=step, scored=step, first=value)
            self._store.add(replace(entry, source="reference"))
        return own.looked.plus(known.looked)

    def _metrics(self, groups: Sequence[Group], step: int) -> dict[str, float]:
        replayed = [group for group in groups if is_replayed(group)]
        fresh = [group for group in groups if not is_replayed(group)]
        rewards = {"replay_reward": _mean_reward(replayed), "fresh_reward": _mean_reward(fresh)}
        live = [(entry, entry.first) for entry in self._store.live() if entry.first is not None]
        return {
            "replay_entries": len(self._store),
            "replay_share": len(replayed) / len(groups),
            "replay_correct": _share_right(replayed),
            "fresh_correct": _share_right(fresh),
            "replay_age": _mean([step - entry.created for entry, _ in live]),
            "replay_value_then": _mean([first for _, first in live]),
            "replay_value_now": _mean([entry.score for entry, _ in live]),
            **(rewards if self._graded else {}),
        }

    def _rescore(self, values: Valuer, step: int) -> None:
        entries = [entry for entry in self._store.live() if entry.scored < step]
        starts = [Start(self._problems[entry.problem], entry.prefix, Origin.REPLAY) for entry in entries]
        for entry, value in zip(entries, values(starts), strict=True):
            if value.judged:
                self._store.rescore(entry.key, value.mean, step)


def _share_right(groups: Iterable[Group]) -> float:
    return _mean([score.correct for group in groups for score in group.scores if score.judged])


def _mean_reward(groups: Iterable[Group]) -> float:
    return _mean([score.value for group in groups for score in group.scores if score.judged])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
