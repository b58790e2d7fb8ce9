"""Right answers of the policy that training begins with, sampled once and shown throughout (DPH-RL)."""

import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forage.core.demonstrations import Demonstration
from forage.core.errors import ForageError
from forage.core.protocols import Memory, MemoryConfig, Task, Tools
from forage.core.records import Completion, Group, Problem, SampleRequest, SamplingParams, Start
from forage.core.seeds import derive_seed
from forage.parts.memory.showing import ShowingMemory
from forage.parts.memory.shuffled import ShuffledProblems


@dataclass(frozen=True, kw_only=True)
class BaseSamples(MemoryConfig):
    """Starts from `inner`, and `shown` right answers of the base a group, drawn anew in each step from those kept.

    In the first step, before weights change, `samples` responses to each of at most `problems` training problems are
    sampled and judged; their tokens count. Kept are the right ones, equal ones as often as they came, of the problems
    that were right in the share `solved` or more. They are of any problem, not of the group's, and the weights of those
    of a step add up to the number of its groups.
    """

    inner: MemoryConfig = field(default_factory=ShuffledProblems)
    samples: int = 8
    problems: int = 256
    solved: float = 1.0
    shown: int = 2

    def __post_init__(self) -> None:
        if min(self.samples, self.problems, self.shown) < 1:
            raise ForageError(
                f"samples, problems and shown must be 1 or more, not {self.samples}, {self.problems} and {self.shown}."
            )
        if not 0 <= self.solved <= 1:
            raise ForageError(f"solved is a share of a problem's samples, 0 ... 1, not {self.solved}.")

    def open(self, problems: Sequence[Problem], *, seed: int) -> Memory:
        return _BaseSamples(self, self.inner.open(problems, seed=seed), problems, seed=seed)


@dataclass(frozen=True, slots=True)
class _Sample:
    """A right answer of the base, and its log-probabilities then."""

    problem: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


class _BaseSamples(ShowingMemory):
    def __init__(self, config: BaseSamples, inner: Memory, problems: Sequence[Problem], *, seed: int) -> None:
        super().__init__(inner)
        self._config, self._seed = config, seed
        self._problems = {problem.id: problem for problem in problems}
        self._kept: list[_Sample] | None = None
        self._step = 0

    def observe(
        self, groups: Sequence[Group], task: Task, tools: Tools, params: SamplingParams, *, step: int, seed: int
    ) -> Mapping[str, float]:
        if self._kept is None:
            self._kept = self._sample(tools, params)
            if not self._kept:
                warnings.warn(
                    f"The base has solved no problem in {self._config.solved:.0%} of {self._config.samples} samples, "
                    "so there is nothing to hold the policy to. Lower base_anchor's `solved`.",
                    stacklevel=2,
                )
        return super().observe(groups, task, tools, params, step=step, seed=seed)

    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        kept = self._kept or []
        count = min(self._config.shown * len(groups), len(kept))
        chosen = random.Random(derive_seed(self._seed, "base samples", self._step)).sample(kept, count)
        return tuple(
            Demonstration(
                problem=self._problems[sample.problem],
                tokens=sample.tokens,
                group=number % len(groups),
                weight=len(groups) / count,
                logprobs=sample.logprobs,
            )
            for number, sample in enumerate(chosen)
        )

    def kept_per_problem(self) -> Sequence[int]:
        names = [sample.problem for sample in self._kept or []]
        return [names.count(name) for name in dict.fromkeys(names)]

    def keep(self, groups: Sequence[Group], *, step: int) -> None:
        self._step = step

    def _sample(self, tools: Tools, params: SamplingParams) -> list[_Sample]:
        config, everything = self._config, list(self._problems.values())
        if len(everything) > config.problems:
            everything = random.Random(derive_seed(self._seed, "problems of the base")).sample(
                everything, config.problems
            )
        requests = [
            SampleRequest(
                tokens=tools.codec.prompt(problem),
                group_size=config.samples,
                seed=derive_seed(self._seed, "base", Start(problem).key),
                problem=problem,
            )
            for problem in everything
        ]
        pending = {}
        for order, completions in tools.sampler.sample(requests, params):
            texts = [tools.codec.decode(completion.tokens) for completion in completions]
            pending[order] = completions, tools.judge.submit(everything[order], texts)
        kept: list[_Sample] = []
        for order, problem in enumerate(everything):
            completions, verdict = pending[order]
            right = [c for c, score in zip(completions, verdict.result(), strict=True) if score.correct]
            if len(right) >= max(1, config.solved * config.samples):
                kept += [_kept(problem, completion) for completion in right]
        return kept

    def kept_state(self) -> dict[str, Any]:
        rows = [[sample.problem, list(sample.tokens), list(sample.logprobs)] for sample in self._kept or ()]
        return {"sampled": self._kept is not None, "kept": rows, "step": self._step}

    def restore_kept(self, state: Mapping[str, Any]) -> None:
        rows = [_Sample(name, tuple(tokens), tuple(logprobs)) for name, tokens, logprobs in state["kept"]]
        self._kept = rows if state["sampled"] else None
        self._step = int(state["step"])


def _kept(problem: Problem, completion: Completion) -> _Sample:
    return _Sample(problem.id, completion.tokens, completion.logprobs)
