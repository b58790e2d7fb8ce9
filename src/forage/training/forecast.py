"""What a step will take, in seconds and bytes: measured on a small part of it and scaled up before a run starts.

Random tokens stand for prompts and responses, and every response is as long as it may be, so the forecast is of the
slowest step. Verification, a reference model and a critic are not in it.
"""

import math
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Group, Message, Problem, Rollout, SampleRequest, SamplingParams, Score, Start
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.local.memory import measure_costs
from forage.engines.optimization import Optimization
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip

DECODED = 8
"""Passes of the sampler that are timed."""

PROMPTS = 1 << 20
"""Seed of the first prompt that is learned from."""

LEARNED_TOKENS = 4096
"""Tokens of the largest group that is learned from; larger ones are tried with fewer responses and scaled."""

REPEATED = 0.5
"""Seconds of repetitions, so that little work is not measured by one noisy run."""

WARM = 32
"""Tokens of the prompts that are read before anything is timed."""

T = TypeVar("T")

LOSS = PolicyLoss(surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean())


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What is sampled and learned from in a step; lengths in tokens."""

    groups: int
    group_size: int
    prompt: int
    response: int

    def __post_init__(self) -> None:
        if min(self.groups, self.group_size, self.prompt, self.response) < 1:
            raise ForageError("Groups, responses, and the tokens of prompts and responses must each be at least 1.")

    @property
    def responses(self) -> int:
        return self.groups * self.group_size


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Seconds of the two halves of a step, and the largest memory of each in bytes, everything else included."""

    sampling_seconds: float
    update_seconds: float
    sampling_bytes: int
    update_bytes: int

    @property
    def seconds(self) -> float:
        return self.sampling_seconds + self.update_seconds

    @property
    def peak_bytes(self) -> int:
        return max(self.sampling_bytes, self.update_bytes)


def forecast(engine: LocalEngine, optimization: Optimization, weights: str, work: Workload) -> Forecast:
    """Loads `weights` and tries a part of a step of `work`. `rows` and `micro_tokens` are chosen already.

    The weights in memory change and are dropped. Raises ForageError for what training would refuse, too.
    """
    opened = engine.open(weights, optimization=replace(optimization, mini_batches=1, epochs=1, lr=1e-12))
    if opened.context is not None and work.prompt + work.response > opened.context:
        raise ForageError(
            f"The model has {opened.context} positions, and a prompt of {work.prompt} tokens with a response of "
            f"{work.response} needs {work.prompt + work.response}. Lower `max_tokens` or `prompt_tokens`."
        )
    peak = _Peak(engine.device)
    rows = min(work.responses, engine.rows or work.responses)
    # The update first: gradients and moments stay while later steps sample.
    (each, fixed), learned = peak.of(lambda: _update_seconds(opened, work, shared=engine.share_starts))
    sampling, sampled = peak.of(lambda: _sampling_seconds(opened, work, rows))
    missing = (work.response - work.response // 2) * rows * measure_costs(opened.policy.model).position
    return Forecast(
        sampling_seconds=sampling,
        update_seconds=optimization.epochs * (work.groups * each + optimization.mini_batches * fixed),
        sampling_bytes=sampled + missing,
        update_bytes=learned,
    )


def _sampling_seconds(opened: Opened, work: Workload, rows: int) -> float:
    """Prompts are read at their length; passes are timed with all rows alive, halfway through the responses."""
    starts = math.ceil(rows / work.group_size)

    def sampled(length: int, tokens: int) -> tuple[float, float]:
        """Seconds, and passes of single rows: some responses end early."""
        sizes = [min(work.group_size, rows - number * work.group_size) for number in range(starts)]
        requests = [
            SampleRequest(_tokens(opened, length, seed=number), size, seed=number) for number, size in enumerate(sizes)
        ]
        before = opened.sampler.tokens_decoded
        spent, times = _timed(lambda: list(opened.sampler.sample(requests, SamplingParams(max_tokens=tokens))))
        return spent, (opened.sampler.tokens_decoded - before) / times

    middle = work.prompt + work.response // 2
    sampled(min(middle, WARM), 2)  # what the first pass prepares is not timed
    few, many = sampled(middle, 1), sampled(middle, 1 + DECODED)
    of_a_pass = max(0.0, many[0] - few[0]) / max(1.0, many[1] - few[1])
    reading, _ = sampled(work.prompt, 1)
    return reading * work.groups / starts + of_a_pass * (work.response - 1) * work.responses


def _update_seconds(opened: Opened, work: Workload, *, shared: bool) -> tuple[float, float]:
    """(for each group, for each optimizer step), from updates by one group and by two."""
    size = min(work.group_size, max(2, LEARNED_TOKENS // (work.prompt + work.response)))

    def updated(groups: int, size: int = size) -> float:
        train = _synthetic(opened, work, groups, size)
        return _timed(lambda: opened.policy.improve(train, LOSS, seed=0))[0]

    updated(1, size=2)  # makes the moments
    one, two = updated(1), updated(2)
    each = max(0.0, two - one)
    whole, tried = (work.prompt * (1 if shared else many) + many * work.response for many in (work.group_size, size))
    return each * whole / tried, max(0.0, one - each)


def _synthetic(opened: Opened, work: Workload, groups: int, size: int) -> TrainBatch:
    made = []
    for number in range(groups):
        problem = Problem(id=str(number), prompt=(Message("user", ""),), answer="", task="forecast")
        rollouts = [
            Rollout(
                start=Start(problem),
                tokens=_tokens(opened, work.response, seed=1 + number * size + row),
                logprobs=(-1.0,) * work.response,
                entropies=(1.0,) * work.response,
                text="",
                step_ends=(work.response,),
                stop="length",
                version=0,
            )
            for row in range(size)
        ]
        made.append(Group(Start(problem), tuple(rollouts), tuple(Score(float(row % 2)) for row in range(size))))
    batch = collate(made, lambda problem: _tokens(opened, work.prompt, seed=PROMPTS + int(problem.id)))
    advantage = torch.where(batch.loss_mask, batch.reward[:, None] - 0.5, 0.0)
    return TrainBatch(Experience(batch, {}), advantage)


def _tokens(opened: Opened, length: int, *, seed: int) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(0, opened.policy.model.config.vocab_size, (length,), generator=generator).tolist())


def _timed(work: Callable[[], object]) -> tuple[float, int]:
    """Seconds of the fastest of several repetitions, or of the only one where one takes long; and how many."""
    taken: list[float] = []
    while sum(taken) < REPEATED:
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken), len(taken)


class _Peak:
    """The largest memory while something is done: of this process, or on the device."""

    def __init__(self, device: str) -> None:
        self._device = device

    def of(self, work: Callable[[], T]) -> tuple[T, int]:
        if self._device != "cpu":
            torch.cuda.reset_peak_memory_stats(self._device)
            return work(), torch.cuda.max_memory_allocated(self._device)
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return work(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # of all that was done so far
        result = work()
        return result, peak_resident()


def peak_resident() -> int:
    """Bytes that this process has held at most since its peak was last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:"))
