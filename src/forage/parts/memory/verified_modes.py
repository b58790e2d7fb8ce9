"""One verified exemplar of every right mode of a problem, learned from whenever the problem is met again (ModeBench).

A mode that the policy no longer samples gets no gradient from rewards. Its exemplar keeps it alive: all modes of a
problem that were ever met are learned from with equal weights.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forage.core.demonstrations import Demonstration
from forage.core.errors import ForageError
from forage.core.mode_keys import ModeKey, Ways, check_mode_key, mode_keys
from forage.core.protocols import Memory, MemoryConfig, Task
from forage.core.records import Group, Problem
from forage.core.seeds import derive_seed
from forage.ops.exemplars import Shares, mode_shares
from forage.parts.memory.showing import ShowingMemory, whole_response
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class VerifiedModes(MemoryConfig):
    """Starts from `inner`, and up to `slots` exemplars of each problem, one for each mode that was sampled and right.

    A mode's exemplar is its first right response, of those in one group the smallest sequence of tokens; it is never
    replaced. Responses are kept after the step that sampled them, prefixes of replayed starts included. A group is
    shown the exemplars of its problem with the weights `shares` (`mode_shares`), which add up to 1. `key` names the
    modes (`mode_keys`); "answer" reads them with `task`.

    With `shares="tokens"` every token of a problem's exemplars weighs alike. The controls: `shares="frequency"`,
    `slots=1`, and with `others` as many exemplars of other problems, drawn anew in each step, in the place of the
    problem's own.
    """

    inner: MemoryConfig = field(default_factory=ShuffledProblems)
    slots: int = 16
    shares: Shares = "uniform"
    others: bool = False
    key: ModeKey | Ways = "mode"
    task: Task | None = None

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise ForageError(f"A problem has at least one slot for a mode, not {self.slots}.")
        mode_shares([], by=self.shares)
        check_mode_key(self.key, self.task)

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _VerifiedModes(self, self.inner.open(problems, seed=seed), seed=seed)


@dataclass(slots=True)
class _Exemplar:
    """The tokens of a mode's exemplar, and how many right responses took the mode."""

    tokens: tuple[int, ...]
    seen: int


class _VerifiedModes(ShowingMemory):
    def __init__(self, config: VerifiedModes, inner: Memory, *, seed: int) -> None:
        super().__init__(inner)
        self._config, self._seed = config, seed
        self._bank: dict[str, dict[str, _Exemplar]] = {}
        self._step = 0

    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        shown = []
        for number, group in enumerate(groups):
            problem = group.start.problem
            kept = self._bank.get(problem.id, {})
            own = [exemplar.tokens for exemplar in kept.values()]
            responses = self._of_others(problem.id, len(own)) if self._config.others else own
            by = self._config.shares
            amounts = [len(exemplar.tokens) if by == "tokens" else exemplar.seen for exemplar in kept.values()]
            shares = mode_shares(amounts, by=by).tolist()
            for tokens, weight in zip(responses, shares, strict=False):
                shown.append(Demonstration(problem=problem, tokens=tokens, group=number, weight=weight))
        return tuple(shown)

    def kept_per_problem(self) -> Sequence[int]:
        return [len(kept) for kept in self._bank.values()]

    def keep(self, groups: Sequence[Group], *, step: int) -> None:
        key, task = self._config.key, self._config.task
        for group in groups:
            known = tuple(self._bank.get(group.start.problem.id, ()))
            modes = mode_keys(group.rollouts, group.scores, key=key, task=task, wrong=False, known=known)
            responses = map(whole_response, group.rollouts)
            verified = [(tokens, mode) for tokens, mode in zip(responses, modes, strict=True) if mode is not None]
            if verified:
                self._admit(self._bank.setdefault(group.start.problem.id, {}), sorted(verified))
        self._step = step

    def _admit(self, kept: dict[str, _Exemplar], verified: Sequence[tuple[tuple[int, ...], str]]) -> None:
        for tokens, mode in verified:
            if mode in kept:
                kept[mode].seen += 1
            elif len(kept) < self._config.slots:
                kept[mode] = _Exemplar(tokens, 1)

    def _of_others(self, name: str, count: int) -> list[tuple[int, ...]]:
        """`count` exemplars of other problems, none twice; nothing where they have fewer."""
        pool = [e.tokens for other in sorted(self._bank) if other != name for e in self._bank[other].values()]
        if len(pool) < count:
            return []
        return random.Random(derive_seed(self._seed, "exemplars of others", self._step, name)).sample(pool, count)

    def kept_state(self) -> dict[str, Any]:
        bank = {
            name: [[mode, list(exemplar.tokens), exemplar.seen] for mode, exemplar in kept.items()]
            for name, kept in sorted(self._bank.items())
        }
        return {"step": self._step, "bank": bank}

    def restore_kept(self, state: Mapping[str, Any]) -> None:
        self._step = int(state["step"])
        self._bank = {
            name: {mode: _Exemplar(tuple(tokens), int(seen)) for mode, tokens, seen in rows}
            for name, rows in state["bank"].items()
        }
