"""The base model of the lock world: it turns a dial rightly more often than chance, and opens hardly a lock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.base_models.stepwise import END, StepwiseBase, StepwiseLanguage, mostly
from forage.base_models.tiny_model import build
from forage.tasks.lock import BASE, DIALS, Lock, all_locks

RIGHT = 0.5
"""How often the base turns a dial to where its clue says; the other positions share the rest alike."""


@dataclass(frozen=True)
class WrittenDials(StepwiseLanguage):
    length: int

    @property
    def characters(self) -> str:
        return f"{DIALS}="

    @property
    def prompts(self) -> Sequence[str]:
        return [f"{clues}=" for clues in all_locks(self.length)[:BASE]]

    def following(self, prompt: str, written: str) -> Mapping[str, float]:
        if len(written) == self.length:
            return {END: 1.0}
        return mostly(prompt[len(written)], DIALS, RIGHT)


@dataclass(frozen=True, kw_only=True)
class LockBase(StepwiseBase):
    """How a base model of the lock world is made: 0.1 million weights."""

    length: int = Lock.length

    @property
    def language(self) -> WrittenDials:
        return WrittenDials(self.seed, self.length)

    @property
    def world(self) -> str:
        return f"lock:length={self.length}"

    @property
    def label(self) -> str:
        return f"base-lock-{self.length}"


def build_lock_base(
    out: Path | None = None, *, length: int = Lock.length, seed: int = 0, progress: bool = True
) -> Path:
    """The directory of the base model for locks of a length, built unless it exists: `tiny_model.build`.

    `seed` selects what is written, initial weights and order. Raises ForageError where `out` holds something else.
    """
    return build(LockBase(length=length, seed=seed), out, progress=progress)
