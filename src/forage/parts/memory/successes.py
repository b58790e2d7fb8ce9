"""Right responses of earlier steps, learned from again beside fresh siblings (RLEP, ExGRPO)."""

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from forage.core.demonstrations import Demonstration
from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig
from forage.core.records import Group, Problem, Rollout, Start
from forage.core.seeds import derive_seed
from forage.ops.success_replay import difficulty_weight, replay_advantage
from forage.parts.memory.outcomes import is_replayed
from forage.parts.memory.showing import ShowingMemory, whole_response
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class SuccessReplay(MemoryConfig):
    """Starts from `inner`, and beside a group up to `replays` earlier right responses to its problem.

    Of each problem the newest `slots` different successes are kept. A replayed one has the advantage that it would have
    as one more sibling (`replay_advantage`, under `scale`), and that one's share of the group; the fresh siblings keep
    their own mean. `choice` is "random", or "entropy": those that the policy was surest of when it wrote them.

    With a `share` above 0 that part of a step's starts are problems with successes, drawn by how many of their last
    siblings were right (`difficulty_weight`), and only these are shown any. That begins for good once a step was right
    in the share `begin` of its responses, and a problem whose siblings were all right leaves for good.

    The control, `anywhere`: problems and successes are drawn at random, and successes from all that are kept.
    """

    inner: MemoryConfig = field(default_factory=ShuffledProblems)
    replays: int = 2
    choice: Literal["random", "entropy"] = "random"
    share: float = 0.0
    begin: float = 0.35
    slots: int = 8
    scale: Literal["none", "std"] = "none"
    anywhere: bool = False

    def __post_init__(self) -> None:
        if min(self.replays, self.slots) < 1:
            raise ForageError(f"replays and slots must be 1 or more, not {self.replays} and {self.slots}.")
        if not (0 <= self.share <= 1 and 0 <= self.begin <= 1):
            raise ForageError(f"share and begin must lie in 0 ... 1, not {self.share} and {self.begin}.")
        if self.choice not in ("random", "entropy"):
            raise ForageError(f'Successes are chosen at "random" or by "entropy", not {self.choice!r}.')

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _SuccessReplay(self, self.inner.open(problems, seed=seed), problems, seed=seed)


@dataclass(frozen=True, slots=True)
class _Success:
    """A whole right response; `entropy` is the mean of what the sampler recorded, infinite where it recorded none."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropy: float


class _SuccessReplay(ShowingMemory):
    def __init__(self, config: SuccessReplay, inner: Memory, problems: Sequence[Problem], *, seed: int) -> None:
        super().__init__(inner)
        self._config, self._seed = config, seed
        self._problems = {problem.id: problem for problem in problems}
        self._pool: dict[str, list[_Success]] = {}
        self._last: dict[str, tuple[int, int]] = {}
        self._solved: set[str] = set()
        self._begun = False
        self._draws = 0
        self._step = 0
        self._again: tuple[int, set[str]] = (0, set())

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        if self._again[0] != step:
            self._again = step, set()
        wanted = int(self._config.share * count) if self._begun else 0
        fresh = self._inner.draw(count - wanted, step=step)
        rng = random.Random(derive_seed(self._seed, "met again", self._draws))
        self._draws += 1
        chosen = self._problems_again(wanted, rng, without={start.problem.id for start in fresh} | self._again[1])
        self._again[1].update(chosen)
        more = self._inner.draw(wanted - len(chosen), step=step)
        return (*fresh, *more, *(Start(self._problems[name]) for name in chosen))

    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        shown = []
        for number, group in enumerate(groups):
            name = group.start.problem.id
            if self._config.share and name not in self._again[1]:
                continue
            rng = random.Random(derive_seed(self._seed, "successes", self._step, number, name))
            chosen = self._successes(name, rng)
            reward = [float(score.correct) for score in group.scores if score.judged]
            advantage = replay_advantage(reward, len(chosen), scale=self._config.scale) if chosen else 0.0
            for which, success in chosen if advantage > 0 else ():
                weight = advantage / (len(group.rollouts) + len(chosen))
                shown.append(
                    Demonstration(
                        problem=self._problems[which],
                        tokens=success.tokens,
                        group=number,
                        weight=weight,
                        logprobs=success.logprobs,
                    )
                )
        return tuple(shown)

    def kept_per_problem(self) -> Sequence[int]:
        return [len(kept) for kept in self._pool.values()]

    def keep(self, groups: Sequence[Group], *, step: int) -> None:
        self._step = step
        verdicts = [score.correct for group in groups for score in group.scores if score.judged]
        self._begun |= bool(verdicts) and sum(verdicts) / len(verdicts) > self._config.begin
        for group in groups:
            name, judged = group.start.problem.id, [score.correct for score in group.scores if score.judged]
            if not is_replayed(group) and judged:
                self._last[name] = sum(judged), len(judged)
                if self._config.share and all(judged):
                    self._solved.add(name)
                    self._pool.pop(name, None)
            if name not in self._solved:
                self._add(name, [r for r, score in zip(group.rollouts, group.scores, strict=True) if score.correct])

    def _add(self, name: str, right: Sequence[Rollout]) -> None:
        for rollout in right:
            kept = self._pool.setdefault(name, [])
            success = _success(rollout)
            if all(success.tokens != other.tokens for other in kept):
                kept.append(success)
                del kept[: -self._config.slots]

    def _problems_again(self, count: int, rng: random.Random, *, without: Collection[str]) -> list[str]:
        """Up to `count` problems with successes, none twice: how many were right first, then one of these."""
        left = sorted(name for name in self._pool if name in self._last and name not in without)
        chosen: list[str] = []
        while left and len(chosen) < count:
            among = left
            if not self._config.anywhere:
                levels = sorted({self._last[name] for name in left})
                (level,) = rng.choices(levels, [difficulty_weight(*level) for level in levels])
                among = [name for name in left if self._last[name] == level]
            chosen.append(rng.choice(among))
            left.remove(chosen[-1])
        return chosen

    def _successes(self, name: str, rng: random.Random) -> list[tuple[str, _Success]]:
        """(problem, success), as many as are replayed or there are."""
        own = [(name, success) for success in self._pool.get(name, ())]
        count = min(self._config.replays, len(own))
        if self._config.anywhere:
            return rng.sample([(other, s) for other in sorted(self._pool) for s in self._pool[other]], count)
        if self._config.choice == "entropy":
            return sorted(own, key=lambda pair: (pair[1].entropy, pair[1].tokens))[:count]
        return rng.sample(own, count)

    def kept_state(self) -> dict[str, Any]:
        pool = {
            name: [[list(success.tokens), list(success.logprobs), success.entropy] for success in kept]
            for name, kept in sorted(self._pool.items())
        }
        last = {name: list(counts) for name, counts in sorted(self._last.items())}
        marks = {"begun": self._begun, "draws": self._draws, "step": self._step}
        return {"pool": pool, "last": last, "solved": sorted(self._solved), **marks}

    def restore_kept(self, state: Mapping[str, Any]) -> None:
        self._pool = {
            name: [_Success(tuple(tokens), tuple(logprobs), entropy) for tokens, logprobs, entropy in rows]
            for name, rows in state["pool"].items()
        }
        self._last = {name: (int(right), int(judged)) for name, (right, judged) in state["last"].items()}
        self._solved = set(state["solved"])
        self._begun, self._draws, self._step = bool(state["begun"]), int(state["draws"]), int(state["step"])


def _success(rollout: Rollout) -> _Success:
    known = [entropy for entropy in rollout.entropies if math.isfinite(entropy)]
    logprobs = (*[math.nan] * len(rollout.start.prefix), *rollout.logprobs)
    return _Success(whole_response(rollout), logprobs, math.fsum(known) / len(known) if known else math.inf)
