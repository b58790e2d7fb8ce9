"""The base model of bandits: it tries few arms, and stays with what has paid or with what it knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.base_models.stepwise import END, StepwiseBase, StepwiseLanguage
from forage.base_models.tiny_model import build
from forage.tasks.bandit import ARMS, CHOSEN, PAID, REFUSED, UNPAID, Bandit

HABIT = 0.75
"""How often the base takes an arm that has the highest mean reward so far, or at first its favorite one."""
DOUBT = "?"
INVALID = 0.02
"""How often it says `DOUBT`, which is no arm."""


@dataclass(frozen=True)
class WrittenPulls(StepwiseLanguage):
    arms: int
    pulls: int

    @property
    def characters(self) -> str:
        return f"{ARMS}{CHOSEN}{PAID}{UNPAID}{REFUSED}{DOUBT}="

    @property
    def prompts(self) -> Sequence[str]:
        return [f"{ARMS[: self.arms]}="]

    def following(self, prompt: str, written: str) -> Mapping[str, float]:
        """A greedy player with a favorite arm, the first; what the environment says is either reward alike."""
        if written.endswith(CHOSEN):
            if written.count(CHOSEN) >= self.pulls:
                return {END: 1.0}
            return {REFUSED: 1.0} if written[-2] == DOUBT else {PAID: 0.5, UNPAID: 0.5}
        if written and written[-1] in ARMS + DOUBT:
            return {CHOSEN: 1.0}
        return self._choice(written)

    def _choice(self, written: str) -> dict[str, float]:
        arms = ARMS[: self.arms]
        seen: dict[str, list[str]] = {}
        for place in range(0, len(written), 3):
            arm, _, reward = written[place : place + 3]
            if arm != DOUBT:
                seen.setdefault(arm, []).append(reward)
        means = {arm: rewards.count(PAID) / len(rewards) for arm, rewards in seen.items()}
        leading = [arm for arm in arms if arm in means and means[arm] == max(means.values())] or [arms[0]]
        chances = {arm: (1 - HABIT - INVALID) / len(arms) for arm in arms}
        for arm in leading:
            chances[arm] += HABIT / len(leading)
        return {**chances, DOUBT: INVALID}


@dataclass(frozen=True, kw_only=True)
class BanditBase(StepwiseBase):
    """How a base model of bandits is made: 0.1 million weights."""

    steps: int = 350

    arms: int = Bandit.arms
    pulls: int = Bandit.pulls

    @property
    def language(self) -> WrittenPulls:
        return WrittenPulls(self.seed, self.arms, self.pulls)

    @property
    def world(self) -> str:
        return f"bandit:arms={self.arms},pulls={self.pulls}"

    @property
    def label(self) -> str:
        return f"base-bandit-{self.arms}-{self.pulls}"

    @property
    def max_tokens(self) -> int:
        return 4 * self.pulls


def build_bandit_base(
    out: Path | None = None,
    *,
    arms: int = Bandit.arms,
    pulls: int = Bandit.pulls,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """The directory of the base model for bandits of a size, built unless it exists: `tiny_model.build`.

    `seed` selects what is written, initial weights and order. Raises ForageError where `out` holds something else.
    """
    return build(BanditBase(arms=arms, pulls=pulls, seed=seed), out, progress=progress)
