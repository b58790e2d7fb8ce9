"""The ragged world: problems, starts, rollouts, scores and groups.

Records of strings, tuples and numbers; no tensor appears here. Every record is frozen and complete the moment it
exists: what a constructor accepts, later stages need not check again.
"""

import enum
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from forage.core.errors import ForageError, check_numbers
from forage.core.spans import Spans, check_spans, own_before, steps_around

Stop = Literal["eos", "length"]
"""Why a completion ended: the model said so, or the limit cut it ("length": truncated)."""


class Origin(enum.IntEnum):
    """Where the state that a rollout continues came from. The value is what `Batch.origin` holds."""

    POLICY = 0
    """The bare problem."""
    REPLAY = 1
    """A prefix that an earlier policy wrote and a memory kept."""
    DEMONSTRATION = 2
    """A response that somebody else wrote: learned from, never sampled."""
    RIGHT = 3
    """A right response, cut back."""
    WRONG = 4
    """A wrong response, cut back."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat prompt."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A question whose answer can be checked. `answer` is text; structured answers are JSON."""

    id: str
    prompt: str | tuple[Message, ...]
    answer: str
    task: str
    tags: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What is asked, as one text: the prompt, or the turns of a chat one below the other."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n".join(message.content for message in self.prompt)


@dataclass(frozen=True)
class Start:
    """A problem and a (possibly empty) token prefix of a response to it: a place to sample from.

    Replay, Monte-Carlo step values, process-reward labels and tree search are all "sample again from this start".
    `draw` counts from 0 how often the state came before in one round of sampling: each draw has random numbers of its
    own. `group_size` is how many responses a memory wants from here; 0 leaves it to the recipe.
    """

    problem: Problem
    prefix: tuple[int, ...] = ()
    origin: Origin = Origin.POLICY
    draw: int = 0
    group_size: int = 0

    @cached_property
    def key(self) -> str:
        """A stable name of this state (problem and prefix), equal for all draws of it: memories are keyed by it."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(self.problem.id.encode())
        digest.update(b"\0")
        digest.update(",".join(map(str, self.prefix)).encode())
        return digest.hexdigest()

    @property
    def seed_parts(self) -> tuple[str | int, ...]:
        """What the random numbers of this draw are derived from, beside the seed of the round."""
        return (self.key, "draw", self.draw) if self.draw else (self.key,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """How tokens are drawn. `top_p=1` and `top_k=0` mean no truncation; `max_tokens` counts new tokens only."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 120

    def __post_init__(self) -> None:
        check_numbers(self)
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ForageError(f"The temperature must be 0 (greedy) or more, not {self.temperature}.")
        if not 0 < self.top_p <= 1:
            raise ForageError(f"top_p must lie in (0, 1], not {self.top_p}.")
        if self.top_k < 0:
            raise ForageError(f"top_k must be 0 (no limit) or more, not {self.top_k}.")
        if self.max_tokens < 1:
            raise ForageError(f"max_tokens must be at least 1, not {self.max_tokens}.")


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """Sample `group_size` completions after `tokens` (prompt and start prefix).

    `seed` alone decides the random numbers: sibling j of a request draws the same ones whatever else is in the batch.
    `limit`, where given, is a smaller bound of new tokens than the call's `max_tokens`: what a prefix leaves over.
    `problem`, whose response the last `begun` of the `tokens` begin, is what an environment is asked about.
    """

    tokens: tuple[int, ...]
    group_size: int
    seed: int
    limit: int | None = None
    problem: Problem | None = None
    begun: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a sampler drew after a start: tokens only, no text.

    `logprobs` are under the distribution really sampled from (temperature and truncation included); `entropies` are in
    nats, of the full-vocabulary distribution at the sampling temperature, before any top-p or top-k truncation.
    `given` are spans that an environment wrote: nothing was drawn there, so both are NaN.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    stop: Stop
    given: Spans = ()

    def __post_init__(self) -> None:
        if not len(self.tokens) == len(self.logprobs) == len(self.entropies):
            raise ValueError(
                f"a completion has {len(self.tokens)} tokens, {len(self.logprobs)} log-probabilities "
                f"and {len(self.entropies)} entropies; they must be equal"
            )
        check_spans(self.given, len(self.tokens))

    @property
    def written(self) -> int:
        """How many of the tokens the policy drew."""
        return own_before(self.given, len(self.tokens))


@dataclass(frozen=True, slots=True)
class Rollout:
    """A response: the tokens the policy chose after a start, and what was recorded while it chose them.

    Spans of them, `given`, are an environment's (`core/turns.py`); their log-probabilities and entropies are NaN.
    `text` is the decoded response including the start's prefix, without special tokens: what a verifier reads.
    `step_ends` are the exclusive ends of the reasoning steps, counted in `tokens`; they increase strictly and the last
    one is `len(tokens)`; every step holds a token of the policy's, and what follows it of the environment's. `version`
    counts the optimizer steps of the policy that sampled.
    """

    start: Start
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    entropies: tuple[float, ...]
    text: str
    step_ends: tuple[int, ...]
    stop: Stop
    version: int
    given: Spans = ()

    def __post_init__(self) -> None:
        if not len(self.tokens) == len(self.logprobs) == len(self.entropies):
            raise ValueError("tokens, logprobs and entropies of a rollout must have equal lengths")
        if not self.tokens:
            raise ValueError("a rollout holds at least one token")
        ends = self.step_ends
        increasing = all(a < b for a, b in zip((0, *ends), ends, strict=False))
        if not ends or ends[-1] != len(self.tokens) or not increasing:
            raise ValueError(f"step_ends {ends} do not partition {len(self.tokens)} tokens")
        check_spans(self.given, len(self.tokens))
        if self.given and not set(ends) <= set(steps_around(ends, self.given)):
            raise ValueError(f"step_ends {ends} divide what an environment wrote: {self.given}")

    @property
    def written(self) -> int:
        """How many of the tokens the policy chose."""
        return own_before(self.given, len(self.tokens))

    @property
    def mean_logprob(self) -> float:
        """The mean log-probability of the tokens that the sampler could tell; NaN where it could tell none."""
        known = [logprob for logprob in self.logprobs if math.isfinite(logprob)]
        return math.fsum(known) / len(known) if known else math.nan


@dataclass(frozen=True, slots=True)
class Score:
    """What a rollout was worth. NaN means "could not be judged": it is counted, and its advantage is zero.

    `parts` names what the value is made of (`correct`, `commit`, `overlong`, ...); `steps`, when a process reward
    judged the rollout, has one number for each of its steps. A `graded` value, which rewards make and
    verifiers do not, is on a scale of its own in the place of the task's verdict: what learns asks how it compares with
    others, and never whether it is `correct`. `mode` names which right answer, or which way to it, a correct response
    took (`Task.mode`); None where the response is wrong or the task has no modes.
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[float, ...] | None = None
    graded: bool = False
    mode: str | None = None

    @property
    def judged(self) -> bool:
        return not math.isnan(self.value)

    @property
    def correct(self) -> bool:
        """Whether the verifier calls the response right, whatever rewards made of its verdict.

        That is the part `correct` of at least 1/2, or the value itself where the score has no such part. A response
        that was not judged is not correct.
        """
        return self.judged and self.parts.get("correct", self.value) >= 0.5

    def reweighted(self, value: float, part: str) -> "Score":
        """This score at another value; whether it is right stays what it was, and `part` says how much was added."""
        if not self.judged:
            return self
        parts = {**self.parts, "correct": self.parts.get("correct", float(self.correct)), part: value - self.value}
        return replace(self, value=value, parts=parts)


UNJUDGED = Score(value=math.nan)


@dataclass(frozen=True, slots=True)
class StartValue:
    """`mean` and `error` (the standard error of the mean) of `judged` returns, which took `tokens` new tokens.

    Without a judged continuation the mean is NaN; with one the error is NaN. A value that was known took 0 tokens.
    A value that is no mean of returns (a critic's, the task's) has an error of NaN, `judged` 1 and `tokens` 0.
    """

    mean: float
    error: float
    judged: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Group:
    """The siblings sampled from one start, and their scores. Group statistics never mix starts."""

    start: Start
    rollouts: tuple[Rollout, ...]
    scores: tuple[Score, ...]

    def __post_init__(self) -> None:
        if not self.rollouts:
            raise ValueError(f"the group of problem {self.start.problem.id} is empty")
        if len(self.rollouts) != len(self.scores):
            raise ValueError(
                f"the group of problem {self.start.problem.id} has {len(self.rollouts)} rollouts "
                f"and {len(self.scores)} scores"
            )
        if any(rollout.start != self.start for rollout in self.rollouts):
            raise ValueError(f"the group of problem {self.start.problem.id} mixes starts")
        for rollout, score in zip(self.rollouts, self.scores, strict=True):
            if score.steps is not None and len(score.steps) != len(rollout.step_ends):
                raise ValueError(
                    f"problem {self.start.problem.id}: {len(score.steps)} step scores "
                    f"for {len(rollout.step_ends)} steps"
                )

    @property
    def varies(self) -> bool:
        """Whether two judged siblings differ in value: without this a group-relative method learns nothing from it."""
        values = [score.value for score in self.scores if score.judged]
        return bool(values) and min(values) != max(values)

    @property
    def divided(self) -> bool:
        """Whether some judged sibling is right and another one wrong, whatever else rewards count.

        A graded reward, which takes the verdict's place, divides siblings where it differs between them.
        """
        judged = [score for score in self.scores if score.judged]
        return self.varies if any(score.graded for score in judged) else len({score.correct for score in judged}) > 1
