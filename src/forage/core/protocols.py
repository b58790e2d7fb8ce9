"""The seams: what a part of a method must look like. Everything a paper adds to this project is one of these.

Parts are frozen keyword-only dataclasses whose fields are their hyper-parameters; they are pure, except `Memory`. Tools
(`Codec`, `Sampler`, `Judge`, `Policy`) are what parts may use; `engines/` makes them. B sequences, T tokens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from forage.core.records import (
    Completion,
    Group,
    Problem,
    Rollout,
    SampleRequest,
    SamplingParams,
    Score,
    Start,
    StartValue,
)
from forage.core.spans import Spans

if TYPE_CHECKING:  # a verifier process imports this page: it must start in a moment, without torch
    from torch import Tensor

    from forage.core.batch import Batch, Experience, TokenWeights, TrainBatch

Moment = Literal["sampling", "update"]
"""When a shape looks at its signals: once, as the sampling policy saw them, or in each update's forward pass."""

Tallies: TypeAlias = "Mapping[str, tuple[Tensor, Tensor]]"
"""Means that add up over micro-batches: name -> (sum, count), 0-dimensional; `..._max` is a maximum, uncounted."""


class OnProgress(Protocol):
    """Called with how far a long piece of work has come."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


class Sampler(Protocol):
    """Draws completions from the policy as it is now, which has taken `version` optimizer steps."""

    @property
    def version(self) -> int: ...

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        """Yields (index of the request, its completions in sibling order) as requests finish, in any order."""
        ...


class Codec(Protocol):
    """Text to tokens and back. `encode` adds no tokens of the tokenizer's own, `decode` leaves special ones out."""

    def prompt(self, problem: Problem) -> tuple[int, ...]:
        """The tokens that the model reads before it answers."""
        ...

    def encode(self, text: str) -> tuple[int, ...]: ...
    def decode(self, tokens: Sequence[int]) -> str: ...

    def pieces(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """The text of each token; joined they are `decode(tokens)`."""
        ...


class Judge(Protocol):
    """Asks the task's verifier, possibly in other processes. A response that cannot be judged scores NaN."""

    def submit(self, problem: Problem, texts: Sequence[str]) -> Future[tuple[Score, ...]]: ...


@dataclass(frozen=True, slots=True)
class Forward:
    """What one pass over a batch tells about its tokens: `logprob` and `entropy`, (B, T) float32, 0 off the mask.

    At the sampling temperature; entropy is in nats over the full vocabulary. In an update they carry gradients.
    """

    logprob: Tensor
    entropy: Tensor


class Policy(Protocol):
    """The weights (`measure` is a pass without gradients) and the only thing that changes them (`improve`: metrics)."""

    @property
    def version(self) -> int: ...

    def measure(self, batch: Batch) -> Forward: ...

    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> Mapping[str, float]: ...


class Critic(Protocol):
    """What states are worth, as a model that learns beside the policy says: the expected return from there on."""

    def measure(self, batch: Batch) -> Tensor:
        """(B, T) float32: the value of the state before each learned token, 0 off the mask; without gradients."""
        ...

    def value(self, states: Sequence[Sequence[int]]) -> Tensor:
        """(N,) float32: the value of the state behind each of N sequences of tokens (prompt and prefix)."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What parts may use.

    `reference` is the policy that training began with, where the recipe needs it; `critic` is there where it has one.
    `policy` may be looked at (`measure`), `context` is how many positions it has, None without a limit.
    `rewards` make of a verdict what the run learns from. `value_cache` is what parts sampled in this step, for all.
    `share(work, starts, ...)` is `work(starts, ...)`, divided over the processes of the run. `visits` is the memory's.
    `given(problem, tokens)` are the spans of a response's first tokens that an environment wrote.
    """

    codec: Codec
    sampler: Sampler
    judge: Judge
    reference: Policy | None = None
    critic: Critic | None = None
    share: Callable[..., Sequence[Group]] = lambda work, starts, *rest: work(starts, *rest)
    rewards: tuple[Reward, ...] = ()
    value_cache: dict[tuple[Any, ...], StartValue] = field(default_factory=dict)
    visits: Callable[[str, str], int] = lambda problem, answer: 0
    policy: Policy | None = None
    context: int | None = None
    given: Callable[[Problem, Sequence[int]], Spans] = lambda problem, tokens: ()


# ------------------------------------------------------------------------------------------------- the ragged world


class Task(ABC):
    """A family of problems and how their answers are checked. A frozen dataclass; its fields select the family."""

    name: ClassVar[str]

    def notes(self) -> tuple[str, ...]:
        """What a person should know about these problems before work on them begins, in sentences."""
        return ()

    @property
    def hangs(self) -> bool:
        """Whether judging may never end on some texts: it then only ever happens in processes that can be killed."""
        return False

    @abstractmethod
    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        """The problems of a split, in a fixed order."""

    @abstractmethod
    def verify(self, problem: Problem, text: str) -> Score:
        """Judges a response. Pure; may run in a worker process. `parts` holds at least `correct` (0 or 1)."""

    def prepare(self) -> None:  # noqa: B027  (most tasks have nothing to load)
        """Loads what judging needs, in the process that judges, before its limits are set. Raises ForageError."""

    def quick(self, problem: Problem, text: str) -> Score | None:
        """What `verify` would say, where that can be had at once and in safety; None sends the text to a worker."""
        return None

    def answer(self, problem: Problem, text: str) -> str | None:
        """The final answer of a response in canonical form (for majority votes), or None where it gives none."""
        return None

    def marks_answer(self, problem: Problem, text: str) -> bool:
        """Whether the text says, by a mark of its own, that it gives its final answer; see `core/answered.py`."""
        return self.answer(problem, text) is not None

    @property
    def has_modes(self) -> bool:
        """Whether `mode` names modes: methods that are keyed by them refuse a task that has none."""
        return type(self).mode is not Task.mode

    def mode(self, problem: Problem, text: str) -> str | None:
        """Which right answer, or which way to it, a correct response took; None where the task has no modes.

        Asked of correct responses only, in the process that judges; to one problem, equal names are equal modes.
        """
        return None

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Exclusive ends of the reasoning steps of a response given token by token. One step unless overridden."""
        return (len(pieces),)

    def oracle(self, problem: Problem, text: str) -> float | None:
        """What a partial response is worth by the task's own knowledge, in [0, 1]; None where it cannot say."""
        return None

    def state(self, problem: Problem, text: str) -> str | None:
        """A name for the state that a partial response has reached, equal for those that leave the same to be done."""
        return None

    def reference(self, problem: Problem) -> str | None:
        """A right response, to cut prefixes or a demonstration from; None where the task knows none."""
        return None

    def stated_answer(self, problem: Problem, answer: str | None = None) -> tuple[str, str] | None:
        """(mark, answer): words in which any response may state the right answer, or `answer`; None without such."""
        return None


class Explore(ABC):
    """What shall we try? Starts become siblings."""

    @abstractmethod
    def __call__(
        self, starts: Sequence[Start], task: Task, tools: Tools, *, group_size: int, params: SamplingParams, seed: int
    ) -> Iterator[tuple[int, tuple[Rollout, ...]]]:
        """Yields (order, rollouts of one start) as they finish; sorting by `order` makes the result deterministic."""


class Reward(ABC):
    """What was it worth, beyond the verifier? Siblings and their scores become new scores."""

    @abstractmethod
    def __call__(self, rollouts: Sequence[Rollout], scores: Sequence[Score]) -> tuple[Score, ...]: ...


class Memory(ABC):
    """What do we keep and meet again? The one part with state; `state` is JSON and restores it bit for bit."""

    @abstractmethod
    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        """The next starts to sample from."""

    def marked(self, groups: Sequence[Group], *, step: int) -> Sequence[Group]:
        """The groups of a step, what they are next to all earlier ones written on their scores; before `record`."""
        return groups

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        """Looks at what was tried while its policy can still be asked, before `record`; may sample. Returns metrics."""
        return {}

    @abstractmethod
    def record(self, groups: Sequence[Group], *, step: int) -> None:
        """Takes note of what was tried and what it was worth."""

    def visits(self, problem: str, answer: str) -> int:
        """How often an answer was given to a problem (its id) in earlier steps; 0 unless the memory counts."""
        return 0

    @abstractmethod
    def state(self) -> dict[str, Any]: ...

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None: ...


class MemoryConfig(ABC):
    """The hyper-parameters of a memory: a frozen dataclass that opens it for a run."""

    @abstractmethod
    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory: ...


# --------------------------------------------------------------------------------------------- the rectangular world


class Signal(ABC):
    """What can be seen per token? A (B, T) float32 tensor under the name that parts list in `needs`."""

    name: ClassVar[str]
    needs_reference: ClassVar[bool] = False
    needs_critic: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, groups: Sequence[Group], batch: Batch, tools: Tools, *, seed: int) -> Tensor: ...

    def metrics(self, groups: Sequence[Group], tools: Tools) -> Mapping[str, float]:
        """What this signal has to say about everything that a step tried; nothing unless overridden."""
        return {}


class Baseline(ABC):
    """Next to its siblings? (B,) values and (B,) groups become (B,) values. NaN (not judged) stays and is left out."""

    @property
    def min_group_size(self) -> int:
        """The smallest group that can get anything but zero from this part."""
        return 1

    @abstractmethod
    def __call__(self, value: Tensor, group: Tensor) -> Tensor: ...


class Assign(ABC):
    """Where in the text was it earned? (B,) advantages become (B, T). NaN rows become 0."""

    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def __call__(self, value: Tensor, experience: Experience) -> Tensor: ...


class Shape(ABC):
    """Which tokens matter more? (B, T) advantages become (B, T). Never in place.

    `at` says which policy the signals describe. `keeps_zero` claims that an advantage of 0 stays 0, which lets the
    engine skip groups without any advantage. `normalizes` says that the shape moves all tokens of a batch to a common
    scale and favors none: metrics that show what shapes did take the advantage after it as their base.
    """

    at: Moment
    needs: ClassVar[frozenset[str]] = frozenset()
    keeps_zero: ClassVar[bool] = True
    normalizes: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor: ...

    def tallies(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tallies:
        """What this shape wants to see in the metrics, from the same arguments as the call."""
        return {}


class Surrogate(ABC):
    """How far may the policy move? Per-token losses, to be minimized, and which tokens the rule held back."""

    @abstractmethod
    def __call__(
        self, logprob: Tensor, behaviour: Tensor, advantage: Tensor, loss_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, T) each but the results: loss (B, T) float32 and clipped (B, T) bool. Only `logprob` has a gradient."""


class Reduction(ABC):
    """What a loss averages over. The weights are taken over one optimizer step, so micro-batches add up exactly."""

    @abstractmethod
    def __call__(self, loss_mask: Tensor, weight: Tensor) -> Tensor:
        """loss_mask (B, T) bool, weight (B,) -> (B, T) float32: the loss is the sum of weight times per-token loss."""


class Penalty(ABC):
    """A term of its own beside the surrogate, always a mean per learned token: (B, T), to be minimized.

    The bare term, 0 off the mask; the loss multiplies it by `coefficient` and reports it as `<name>_penalty`.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    name: ClassVar[str]
    coefficient: float

    @abstractmethod
    def __call__(self, forward: Forward, train: TrainBatch) -> Tensor: ...


class StepSignal(ABC):
    """What a loss must see of an optimizer step before that is cut into micro-batches: (B, T) under `name`.

    `forward` is the policy about to be updated; `state` is carried to the next optimizer step, through checkpoints too.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def __call__(self, forward: Forward, train: TrainBatch, state: dict[str, float]) -> Tensor: ...


class Loss(ABC):
    """What an optimizer step minimizes: a sum over tokens, so that any split into micro-batches gives the same."""

    @property
    @abstractmethod
    def needs(self) -> frozenset[str]: ...

    @property
    @abstractmethod
    def skips_zero_advantage(self) -> bool:
        """Whether sequences whose advantage is 0 everywhere contribute exactly nothing, so they need no pass."""

    @property
    @abstractmethod
    def of_demonstrations(self) -> Loss | None:
        """What is minimized on `TrainBatch.demonstrations`, rows that nobody sampled; None: they teach nothing."""

    @abstractmethod
    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        """The sequences of an optimizer step with the step signals of this loss. `look` is a pass without gradients."""

    @abstractmethod
    def weigh(self, batch: Batch) -> TokenWeights:
        """The denominators, taken once over all sequences of an optimizer step."""

    @abstractmethod
    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        """The micro-batch's share of the loss (0-dimensional) and its metrics."""
