"""The base model of the world of two ways: it mostly takes the easy way, on problems of both kinds alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forage.base_models.stepwise import END, StepwiseBase, StepwiseLanguage, mostly
from forage.base_models.tiny_model import build
from forage.tasks.two_ways import BASE, SIGNS, WAYS, Way, all_trails, worked

TAKEN: Mapping[Way, float] = {"a": 0.85, "b": 0.15}
"""How often the base takes a way."""
RIGHT: Mapping[Way, float] = {"a": 0.8, "b": 0.8}
"""How often it reads a sign rightly on a way; the other signs share the rest alike."""


@dataclass(frozen=True)
class WrittenWays(StepwiseLanguage):
    @property
    def characters(self) -> str:
        return f"{SIGNS}={''.join(WAYS)}"

    @property
    def prompts(self) -> Sequence[str]:
        return [f"{trail}=" for trail in all_trails()[:BASE]]

    def following(self, prompt: str, written: str) -> Mapping[str, float]:
        if not written:
            return {way: TAKEN[way] for way in WAYS}
        way = WAYS[WAYS.index(written[0])]  # pyright: ignore[reportArgumentType]
        right = worked(prompt.removesuffix("="), way)
        return mostly(right[len(written)], SIGNS, RIGHT[way]) if len(written) < len(right) else {END: 1.0}


@dataclass(frozen=True, kw_only=True)
class TwoWaysBase(StepwiseBase):
    """How a base model of the world of two ways is made: 0.1 million weights."""

    @property
    def language(self) -> WrittenWays:
        return WrittenWays(self.seed)

    @property
    def world(self) -> str:
        return "two_ways"

    @property
    def label(self) -> str:
        return "base-two-ways"


def build_two_ways_base(out: Path | None = None, *, seed: int = 0, progress: bool = True) -> Path:
    """The directory of the base model, built unless it exists: `tiny_model.build`.

    `seed` selects what is written, initial weights and order. Raises ForageError where `out` holds something else.
    """
    return build(TwoWaysBase(seed=seed), out, progress=progress)
