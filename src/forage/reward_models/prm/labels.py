"""Labels of reasoning steps from continuations: counts are kept, so any eta can be chosen later."""

import math
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import numpy as np
import torch

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.ops.soft_labels import soft_label


@dataclass(frozen=True, slots=True)
class StepCounts:
    """What came of the continuations after a step: right, wrong, without an answer, and not judged in time."""

    right: int
    wrong: int
    unanswered: int = 0
    unjudged: int = 0

    def __post_init__(self) -> None:
        if min(self.right, self.wrong, self.unanswered, self.unjudged) < 0:
            raise ForageError(f"Counts of continuations must be 0 or more, not {self}.")

    @property
    def judged(self) -> int:
        return self.right + self.wrong + self.unanswered

    def label(self, eta: float) -> float:
        """(1 / eta) ln mean exp(eta * outcome), in [0, 1] (arXiv 2412.11006); NaN where nothing was judged.

        eta 0 is the share of right continuations ("soft"), inf whether any is right ("hard", Math-Shepherd). A
        continuation without an answer was judged, and is not right.
        """
        if not self.judged:
            return math.nan
        return float(soft_label(torch.tensor([1] * self.right + [0] * (self.judged - self.right)), eta=eta))

    def drawn(self, m: int, *, seed: int) -> "StepCounts":
        """What `m` of these continuations came to, drawn without replacement; all of them where there are no more.

        Continuations are independent and alike, so this is what a labeling with `m` continuations would have counted.
        """
        counts = astuple(self)
        if m >= sum(counts):
            return self
        few = np.random.default_rng(seed).multivariate_hypergeometric(counts, m)
        return StepCounts(*(int(count) for count in few))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledSolution:
    """A solution in steps, and what continuations of its prefixes came to.

    `steps` are texts that join to the response as it was written. `counts` has an entry for every step but the last,
    whose label is the solution's own `outcome` (1 right, 0 not, None where it could not be judged).
    """

    problem: str
    prompt: str
    steps: tuple[str, ...]
    counts: tuple[StepCounts, ...]
    outcome: int | None

    def __post_init__(self) -> None:
        if not self.steps or len(self.counts) != len(self.steps) - 1:
            raise ForageError(
                f"A solution of problem {self.problem} has {len(self.steps)} steps and counts for {len(self.counts)} "
                "of them; it needs counts for all but the last."
            )
        if self.outcome not in (0, 1, None):
            raise ForageError(f"The outcome of a solution is 0, 1 or null, not {self.outcome!r}.")

    def values(self, eta: float) -> tuple[float, ...]:
        """A label in [0, 1] for every step, the last one the outcome; NaN where nothing was judged."""
        last = math.nan if self.outcome is None else float(self.outcome)
        return (*(counts.label(eta) for counts in self.counts), last)

    def drawn(self, m: int, *, seed: int = 0) -> "LabeledSolution":
        """The labels that `m` continuations of every prefix would have given; equal prefixes keep equal counts.

        Raises ForageError for fewer than one.
        """
        if m < 1:
            raise ForageError(f"A label needs at least one continuation, not {m}.")
        seeds = [
            derive_seed(seed, "drawn", self.problem, "".join(self.steps[: end + 1])) for end in range(len(self.counts))
        ]
        counts = (count.drawn(m, seed=own) for count, own in zip(self.counts, seeds, strict=True))
        return replace(self, counts=tuple(counts))

    def to_json(self) -> dict[str, Any]:
        return {
            "problem": self.problem,
            "prompt": self.prompt,
            "steps": list(self.steps),
            "counts": [asdict(counts) for counts in self.counts],
            "outcome": self.outcome,
            "hard": [None if math.isnan(label) else label for label in self.values(math.inf)],
            "soft": [None if math.isnan(label) else label for label in self.values(0)],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> "LabeledSolution":
        """Raises ForageError or ValueError, TypeError, KeyError where `row` is not such a record."""
        return cls(
            problem=str(row["problem"]),
            prompt=str(row["prompt"]),
            steps=tuple(str(step) for step in row["steps"]),
            counts=tuple(StepCounts(**counts) for counts in row["counts"]),
            outcome=row["outcome"],
        )
