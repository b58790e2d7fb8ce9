"""Restart and explore: problems, and cut-back right and wrong responses to them (Satori, arXiv 2502.02508).

Of each problem the newest right and the newest wrong response are kept. A start from one of them drops its last steps
and appends the tokens of a text that asks for another look ("reflect").
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Group, Origin, Problem, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.memory.outcomes import ends_unsaid, require_verdicts, share_right
from forage.parts.memory.shuffled import ShuffledProblems
from forage.parts.memory.spoken import tokens_of

KINDS = {Origin.RIGHT: "right", Origin.WRONG: "wrong"}


@dataclass(frozen=True, kw_only=True)
class CutBack(MemoryConfig):
    """`share` of a step's starts are cut back from kept responses, right and wrong in turn; the others are fresh.

    The number of steps dropped is drawn from 0 ... `drop`; a response that has no more than that starts anew, as the
    bare problem. `reflect` is the text appended to what is left. `room` tokens must remain below `limit`, the length
    of a response, or more steps are dropped.
    """

    reflect: str
    limit: int
    share: float = 0.5
    drop: int = 3
    room: int = 16

    def __post_init__(self) -> None:
        if not self.reflect.strip():
            raise ForageError("A cut-back response needs a text that asks for another look.")
        if not 0 <= self.share <= 1 or self.drop < 0:
            raise ForageError(f"share must lie in 0 ... 1 and drop be 0 or more, not {self.share} and {self.drop}.")
        if not 1 <= self.room <= self.limit:
            raise ForageError(f"room must lie in 1 ... {self.limit} (the length of a response), not {self.room}.")

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _CutBack(self, problems, seed=seed)


@dataclass(frozen=True, slots=True)
class StoredTrace:
    """A whole response without the end token, where it has one, and the exclusive ends of its steps."""

    tokens: tuple[int, ...]
    ends: tuple[int, ...]


def cut_back(trace: StoredTrace, drop: int, reflect: tuple[int, ...], longest: int) -> tuple[int, ...]:
    """The tokens of the trace without its last `drop` steps, and `reflect`; () where no step would be left.

    0 keeps the whole trace. Further steps are dropped while the result has more than `longest` tokens.
    """
    for count in range(len(trace.ends) - drop, 0, -1):
        prefix = trace.tokens[: trace.ends[count - 1]] + reflect
        if len(prefix) <= longest:
            return prefix
    return ()


class _CutBack(Memory):
    def __init__(self, config: CutBack, problems: Sequence[Problem], *, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._fresh = ShuffledProblems().open(problems, seed=seed)
        self._problems = {problem.id: problem for problem in problems}
        self._traces: dict[Origin, dict[str, StoredTrace]] = {origin: {} for origin in KINDS}
        self._reflect: tuple[int, ...] = ()
        self._unsaid: set[int] = set()
        self._draws = 0

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        rng = random.Random(derive_seed(self._seed, "cut back", self._draws))
        self._draws += 1
        left = {origin: sorted(traces) for origin, traces in self._traces.items()}
        again: list[Start] = []
        for turn in range(int(self._config.share * count)):
            origin = list(KINDS)[turn % 2]
            if left[origin]:
                name = left[origin].pop(rng.randrange(len(left[origin])))
                again.append(self._start(self._problems[name], origin, rng.randint(0, self._config.drop)))
        return (*self._fresh.draw(count - len(again), step=step), *again)

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """Reads the reflect text as tokens, and which tokens end a response unsaid; says how starts of each kind ended.

        Raises ForageError where rewards are graded: nothing then says which responses are right.
        """
        require_verdicts(groups, what="Cutting back a response", instead="use rrl, which compares responses")
        self._reflect = tokens_of(self._config.reflect, tools.codec)
        rollouts = (rollout for group in groups for rollout in group.rollouts)
        self._unsaid = {rollout.tokens[-1] for rollout in rollouts if ends_unsaid(rollout, tools.codec)}
        metrics: dict[str, float] = {}
        for origin, kind in KINDS.items():
            metrics[f"from_{kind}_correct"] = share_right(group for group in groups if group.start.origin is origin)
        return metrics

    def record(self, groups: Sequence[Group], *, step: int) -> None:
        self._fresh.record(groups, step=step)
        for group in groups:
            if group.start.prefix:
                continue  # cut back once, not again and again
            for rollout, score in zip(group.rollouts, group.scores, strict=True):
                if score.judged:
                    # An end token says nothing and would end the restarted response; a text that ends responses, as
                    # engines may know them, belongs to this one, with all of its tokens.
                    size = len(rollout.tokens) - (rollout.stop == "eos" and rollout.tokens[-1] in self._unsaid)
                    ends = tuple(sorted({min(end, size) for end in rollout.step_ends} - {0}))
                    kept = self._traces[Origin.RIGHT if score.correct else Origin.WRONG]
                    kept[group.start.problem.id] = StoredTrace(rollout.tokens[:size], ends)

    def state(self) -> dict[str, Any]:
        traces = {
            KINDS[origin]: {name: [list(trace.tokens), list(trace.ends)] for name, trace in sorted(kept.items())}
            for origin, kept in self._traces.items()
        }
        return {"fresh": self._fresh.state(), "draws": self._draws, "reflect": list(self._reflect), **traces}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fresh.restore(state["fresh"])
        self._draws = int(state["draws"])
        self._reflect = tuple(state["reflect"])
        self._traces = {
            origin: {name: StoredTrace(tuple(tokens), tuple(ends)) for name, (tokens, ends) in state[kind].items()}
            for origin, kind in KINDS.items()
        }

    def _start(self, problem: Problem, origin: Origin, drop: int) -> Start:
        trace = self._traces[origin][problem.id]
        prefix = cut_back(trace, drop, self._reflect, self._config.limit - self._config.room)
        return Start(problem, prefix, origin) if prefix else Start(problem)
