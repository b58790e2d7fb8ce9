"""Bandit: a text game of several turns, in which an environment answers every chosen arm with the reward it drew.

The smallest task in which a policy has to explore inside of a response (arXiv 2504.16078): which arm pays is known to
nobody before it was tried, and a policy that stays with the first arm that paid often stays with the wrong one.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from forage.core.actions import Acting
from forage.core.errors import ForageError
from forage.core.protocols import Task
from forage.core.records import Problem, Score
from forage.core.turns import Environment
from forage.ops.bandits import episode_score, shares_of_choices

ARMS = "abcdefghij"
CHOSEN = ">"
"""Ends a turn."""
PAID, UNPAID, REFUSED = "1", "0", "-"
"""What the environment says: the reward of 1 or 0, or that there was no arm to pull."""

_REPLY = re.compile(rf"{CHOSEN}[^{PAID}{UNPAID}{REFUSED}]*[{PAID}{UNPAID}{REFUSED}]")
_ACTION = re.compile(r"(?:^|[^A-Za-z])([a-z])[^A-Za-z]*$")


@dataclass(frozen=True, kw_only=True)
class Bandit(Task, Environment, Acting):
    """Choose among `arms` Bernoulli arms `pulls` times: the last letter before `>` names the arm.

    The best arm pays with the chance `best`, each of the others with a chance of its own between 0 and `rest`. A
    response is worth the mean over the pulls of what the chosen arm pays on average, scaled so that the worst arm is
    worth 0 and the best 1, less `penalty` for each pull without an arm; pulls that are not made are worth 0. It is
    correct where the best arm was pulled more often than any other. A turn is a reasoning step. `seed` selects the
    training problems; the test problems do not depend on it. Raises ForageError for settings out of range.
    """

    name: ClassVar[str] = "bandit"

    arms: int = 5
    pulls: int = 12
    best: float = 0.8
    rest: float = 0.5
    penalty: float = 5.0
    seed: int = 0
    train_problems: int = 512
    test_problems: int = 128

    def __post_init__(self) -> None:
        if not 2 <= self.arms <= len(ARMS):
            raise ForageError(f"A bandit has 2 to {len(ARMS)} arms, not {self.arms}.")
        if self.pulls < 1 or min(self.train_problems, self.test_problems) < 1:
            raise ForageError("A bandit has 1 pull and 1 problem of each split at least.")
        if not 0 <= self.rest < self.best <= 1 or self.penalty < 0:
            raise ForageError(
                "The best arm pays with a higher chance than the rest, both in 0 ... 1, and the penalty is 0 or more, "
                f"not {self.best}, {self.rest} and {self.penalty}."
            )

    @property
    def environment(self) -> Environment:
        return self

    turn_ends = (CHOSEN,)

    @property
    def max_turns(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.pulls

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        if split not in ("train", "test"):
            raise ForageError(f"Bandits have the splits 'train' and 'test', not {split!r}.")
        count = self.test_problems if split == "test" else self.train_problems
        kind = "test" if split == "test" else f"train-{self.seed}"
        return tuple(self._problem(f"{kind}-{number}") for number in range(count))

    def reply(self, problem: Problem, text: str) -> str | None:
        """The reward of the arm that was chosen last; None behind the last pull, and where nothing was chosen."""
        turns = _REPLY.split(text)
        if CHOSEN not in turns[-1] or len(turns) >= self.pulls:
            return None
        *before, arm = self.actions(problem, text)
        if arm is None:
            return REFUSED
        draw = random.Random(f"{problem.id} {arm} {before.count(arm)}").random()
        return PAID if draw < self._means(problem)[arm] else UNPAID

    def actions(self, problem: Problem, text: str) -> tuple[str | None, ...]:
        *answered, last = _REPLY.split(text)
        turns = [*answered, last.partition(CHOSEN)[0] if CHOSEN in last else ""]
        named = [_ACTION.search(turn) for turn in turns]
        return tuple(match[1] if match and match[1] in ARMS[: self.arms] else None for match in named)

    def verify(self, problem: Problem, text: str) -> Score:
        means, chosen = self._means(problem), self.actions(problem, text)[: self.pulls]
        counts = Counter(arm for arm in chosen if arm is not None)
        best = max(means, key=lambda arm: means[arm])
        correct = counts[best] > max((count for arm, count in counts.items() if arm != best), default=0)
        complete = len(chosen) == self.pulls and CHOSEN in _REPLY.split(text)[-1]
        value = episode_score(chosen, means, pulls=self.pulls, penalty=self.penalty)
        seen = shares_of_choices(chosen, self.rewards(text), means)
        return Score(value, {"correct": float(correct), "commit": float(complete), **seen})

    def rewards(self, text: str) -> tuple[float | None, ...]:
        """What the environment has answered, turn by turn; None where it refused."""
        signs = [reply[-1] for reply in _REPLY.findall(text)]
        return tuple(None if sign == REFUSED else float(sign == PAID) for sign in signs)

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str]:
        """An arm, the best one unless another is given: how likely it is what the policy pulls next."""
        means = self._means(problem)
        return "", max(means, key=lambda arm: means[arm]) if answer is None else answer

    def answer(self, problem: Problem, text: str) -> str | None:
        """The arm that was pulled most often, the first of equals."""
        counts = Counter(arm for arm in self.actions(problem, text) if arm is not None)
        return max(sorted(counts), key=lambda arm: counts[arm]) if counts else None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        return len(_REPLY.split(text)) >= self.pulls and CHOSEN in _REPLY.split(text)[-1]

    def _problem(self, name: str) -> Problem:
        draw = random.Random(f"bandit {self.arms} {self.best} {self.rest} {name}")
        chances = [round(draw.uniform(0, self.rest), 4) for _ in range(self.arms)]
        chances[draw.randrange(self.arms)] = self.best
        means = dict(zip(ARMS, chances, strict=False))
        return Problem(id=f"bandit:{name}", prompt=f"{ARMS[: self.arms]}=", answer=json.dumps(means), task=self.name)

    def _means(self, problem: Problem) -> dict[str, float]:
        return json.loads(problem.answer)
