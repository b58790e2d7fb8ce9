"""What one checkpoint did on one set of problems: counts per problem, kept as JSON.

Counts are all that pass@k, majority votes and their intervals need, so any k can be asked for later without sampling
again. A sample that could not be judged (a verifier that ran out of time) is neither right nor wrong: it is counted in
`unjudged` and stands outside every estimate of correctness.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.records import SamplingParams

FORMAT = "forage evaluation 1"


@dataclass(frozen=True, kw_only=True)
class ProblemOutcome:
    """The samples of one problem, counted.

    `n` samples were drawn: `correct` of them right, `unjudged` without a verdict, `truncated` cut by the length limit
    (of all n), `committed` with a final answer (of the judged ones). `length_sum` counts sampled tokens, and
    `entropy_sum` adds up their entropies in nats. `answers` counts the judged samples of each canonical answer, and
    `right_answers` those of them that were correct; judged samples without an answer are in neither. `modes` counts the
    correct samples of each mode (`Task.mode`), without those that name none; None: the task names no modes, or they
    were not counted yet when the file was written.
    """

    problem: str
    n: int
    correct: int
    unjudged: int = 0
    truncated: int = 0
    committed: int = 0
    length_sum: int = 0
    entropy_sum: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)
    right_answers: Mapping[str, int] = field(default_factory=dict)
    modes: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        where = f"the outcome of problem {self.problem}"
        if self.n < 1:
            raise ValueError(f"{where} has {self.n} samples; it needs at least one")
        for name in ("unjudged", "truncated"):
            if not 0 <= getattr(self, name) <= self.n:
                raise ValueError(f"{where} has {getattr(self, name)} {name} of {self.n} samples")
        for name in ("correct", "committed"):
            if not 0 <= getattr(self, name) <= self.judged:
                raise ValueError(f"{where} has {getattr(self, name)} {name} of {self.judged} judged samples")
        if self.length_sum < 0 or not math.isfinite(self.entropy_sum):
            raise ValueError(f"{where} has length {self.length_sum} and entropy {self.entropy_sum}")
        if sum(self.answers.values()) > self.judged or min(self.answers.values(), default=1) < 1:
            raise ValueError(f"{where} has answer counts that do not fit {self.judged} judged samples")
        if any(not 1 <= right <= self.answers.get(answer, 0) for answer, right in self.right_answers.items()):
            raise ValueError(f"{where} has more right answers than answers")
        if sum(self.right_answers.values()) > self.correct:
            raise ValueError(f"{where} has more right answers than correct samples")
        modes = (self.modes or {}).values()
        if sum(modes) > self.correct or min(modes, default=1) < 1:
            raise ValueError(f"{where} has counts of modes that do not fit {self.correct} correct samples")

    @property
    def judged(self) -> int:
        return self.n - self.unjudged


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One checkpoint, one sampling setting, one set of problems.

    `label` is what tables show; `checkpoint` says where the weights lie and `fingerprint` what they are; `task` is the
    task as JSON; `step` counts the training steps (None: not from a run); `run_seed` is the seed of the training run
    (None: not from a run) and `seed` that of the evaluation. `sampled_by` and `judged_by` hold what else decided the
    texts and the verdicts (`engines/identity.py`; empty: not known, in files of before it was recorded). Every
    problem has `n` samples. `seconds`, the time spent sampling and judging, takes no part in comparisons: equal
    evaluations took unequal time.
    """

    label: str
    checkpoint: str
    task: Mapping[str, Any]
    split: str
    params: SamplingParams
    n: int
    seed: int
    problems: tuple[ProblemOutcome, ...]
    step: int | None = None
    run_seed: int | None = None
    fingerprint: str = ""
    seconds: float = field(default=0.0, compare=False)
    sampled_by: Mapping[str, Any] = field(default_factory=dict)
    judged_by: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.problems:
            raise ValueError("an evaluation holds at least one problem")
        if len({outcome.problem for outcome in self.problems}) != len(self.problems):
            raise ValueError("an evaluation holds each problem once")
        for outcome in self.problems:
            if outcome.n != self.n:
                raise ValueError(f"problem {outcome.problem} has {outcome.n} samples, the evaluation {self.n}")

    @property
    def tokens(self) -> int:
        """Tokens sampled in all."""
        return sum(outcome.length_sum for outcome in self.problems)

    @property
    def entropy(self) -> float:
        """Mean entropy per sampled token in nats, of the full vocabulary at the sampling temperature."""
        return math.fsum(outcome.entropy_sum for outcome in self.problems) / max(self.tokens, 1)

    def to_json(self) -> dict[str, Any]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["params"] = asdict(self.params)
        values["problems"] = [_outcome_json(outcome) for outcome in self.problems]
        values |= {name: dict(getattr(self, name)) for name in ("task", "sampled_by", "judged_by")}
        return {"format": FORMAT, **values}

    def save(self, path: Path) -> None:
        """Writes JSON: the file is either the old one or the whole new one, whatever happens meanwhile."""
        write_file(path, json.dumps(self.to_json(), indent=1, allow_nan=False).encode())

    @classmethod
    def load(cls, path: Path | str) -> "Evaluation":
        """Reads what `save` wrote. Raises ForageError, naming the file, where that is not what it holds."""
        try:
            values = json.loads(Path(path).read_bytes())
            if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
                raise ValueError(f"it does not say that it is a {FORMAT!r}")
            values["params"] = SamplingParams(**values["params"])
            values["problems"] = tuple(ProblemOutcome(**outcome) for outcome in values["problems"])
            return cls(**values)
        except OSError as error:
            raise ForageError(f"The evaluation {path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, TypeError, KeyError, AttributeError, ForageError) as error:
            raise ForageError(
                f"{path} is not a whole evaluation ({error}). Delete it and run `forage eval` again: the samples are "
                "cached, so this is quick."
            ) from error


def _outcome_json(outcome: ProblemOutcome) -> dict[str, Any]:
    values = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}
