"""What `forage analyze` finds, as one record that is written to RUN/analysis.json and read by the report."""

import json
from dataclasses import dataclass
from pathlib import Path

from forage.analysis.measures.alarms import Alarm
from forage.analysis.measures.contrast import Contrast
from forage.analysis.measures.entropy_profile import EntropyProfile
from forage.analysis.measures.phases import Phases
from forage.analysis.measures.pivotal import ClassEntropy
from forage.analysis.measures.rare import RareSentences
from forage.analysis.measures.reward_hacking import HackingAlarm
from forage.core.atomic import write_file
from forage.core.errors import ForageError
from forage.core.serialize import decode_part, encode_part
from forage.ops.resampling import Interval

FILE = "analysis.json"


def analysis_file(run: Path) -> Path:
    """Where the analysis of a run lies, or of a single file of samples."""
    return run.with_name(f"{run.name}.{FILE}") if run.is_file() else run / FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackPoint:
    """One step's responses: means per response (`pivotal` and `reflective` count tokens and sentences) and entropies.

    Entropies are in nats: of all tokens, of first tokens of pivotal words, of reflective sentences. `repetition` is
    1 - distinct / all 4-grams of words. `pass_at_1` and `pass_at_k` are unbiased, over the step's own problems.
    """

    step: int
    responses: int
    problems: int
    entropy: Interval | None
    pivotal: Interval | None
    pivotal_entropy: Interval | None
    reflective: Interval | None
    reflective_entropy: Interval | None
    length: Interval | None
    repetition: Interval | None
    k: int
    pass_at_1: Interval | None
    pass_at_k: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyPoint:
    """One step's strategies. All entropies in nats (natural logarithm).

    `grams` occurrences fell into `bins` bins. `diversity`: semantic entropy of strategic grams, Miller-Madow corrected;
    `diversity_at`: plug-in, at `at_total` occurrences, the same for all steps. `following`: entropy of the 3 words
    after a gram given the gram, and `following_any` without it, at `at_pairs` pairs. Perplexities are relative to the
    first step. `high_planning`: share of planning tokens among the 30% most uncertain; `planning_high`: the reverse.
    `strategies`: expected number of different sequences of grams among `group_size` responses to a problem.
    """

    step: int
    responses: int
    grams: int
    bins: int
    diversity: Interval | None
    diversity_at: Interval | None
    at_total: int
    following: Interval | None
    following_any: Interval | None
    at_pairs: int
    planning_share: Interval | None
    entropy: Contrast
    advantage: Contrast
    perplexity_planning: Interval | None
    perplexity_execution: Interval | None
    high_planning: Interval | None
    planning_high: Interval | None
    distinct: Interval | None
    strategies: Interval | None
    group_size: int
    common: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePoint:
    """How sure the policy after `step` (0: before training) is of a text that is the same for every step.

    Perplexities of planning and execution tokens, relative to step 0. Below 1: surer of these tokens than at the start.
    """

    step: int
    planning: Interval | None
    execution: Interval | None


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A fixed text scored by the policy before training and by every checkpoint that the run has kept.

    The text: `responses` correct responses to `problems` problems, from `source`, with `planning` planning and
    `execution` execution tokens. `phases` is None where fewer than five of its steps have rollouts too.
    """

    source: str
    responses: int
    problems: int
    planning: int
    execution: int
    points: tuple[ReferencePoint, ...]
    phases: Phases | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GramsUsed:
    """The list behind the strategy points: where it came from, its id, how grams were binned, and its grams."""

    source: str
    id: str
    support: str
    grams: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """Everything. `step` is the step whose responses the tables are about; `notes` say what is missing and why."""

    run: str
    step: int
    words: str
    pivotal: tuple[ClassEntropy, ...]
    reflective: Contrast
    profile: EntropyProfile
    rare: RareSentences | None
    base: str
    track: tuple[TrackPoint, ...]
    grams: GramsUsed | None
    strategy: tuple[StrategyPoint, ...]
    phases: Phases | None
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]
    reference: Reference | None = None
    hacking: HackingAlarm | None = None

    def save(self, path: Path) -> None:
        """Writes the record whole or not at all. Raises ForageError where the disk refuses."""
        write_file(path, (json.dumps(encode_part(self), indent=1, ensure_ascii=False) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> "Analysis":
        """Raises ForageError, naming the file, where there is no analysis of this version."""
        try:
            return decode_part(json.loads(path.read_text(encoding="utf-8")), cls)
        except (OSError, ValueError, ForageError) as error:
            raise ForageError(f"The analysis {path} cannot be read ({error}). Run `forage analyze` again.") from error
