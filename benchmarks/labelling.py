"""What labeling costs: continuations per second, and tokens computed against restarts from every prefix.

    python benchmarks/labeling.py [--model DIRECTORY] [--problems 16] [--solutions 4] [--m 16]

Labels solutions of the lab's training problems as `forage prm label` does, verifier included. "restarts" is what
reading prompt and prefix anew for every continuation would compute, for every distinct prefix; it is counted from the
same continuations, not run.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

from forage.base_models.countdown import build_base
from forage.core.protocols import Tools
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.local.sampler import LocalSampler
from forage.reward_models.prm.label import Generators, Labeling, label
from forage.tasks.countdown import Countdown
from forage.training.checkpoints import find_checkpoint
from forage.training.recipe import Verifying
from forage.verification.judge import open_judge


@dataclass
class Settings:
    """What is labeled."""

    model: Path | None = None
    """The generator; the base of the experiment lab unless given."""
    problems: int = 16
    solutions: int = 4
    m: int = 16
    max_tokens: int = 120
    threads: int = 1


class Recording:
    """A sampler that remembers what it was asked and what a restart for every continuation would have computed."""

    def __init__(self, sampler: LocalSampler) -> None:
        self._sampler = sampler
        self.version = 0
        self.prefixes = self.continuations = self.restarts = self.computed = 0

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        before = self._sampler.tokens_read + self._sampler.tokens_decoded
        for order, completions in self._sampler.sample(requests, params):
            decoded = sum(len(each.tokens) - 1 for each in completions)
            self.restarts += len(completions) * len(requests[order].tokens) + decoded
            self.continuations += len(completions)
            self.prefixes += 1
            yield order, completions
        self.computed += self._sampler.tokens_read + self._sampler.tokens_decoded - before


def main(settings: Settings) -> None:
    found = find_checkpoint(settings.model or build_base(size="experiment"))
    opened = LocalEngine(threads=settings.threads, matmul="highest").open(str(found.weights))
    task = found.task or Countdown(size="experiment")
    recording = Recording(opened.sampler)
    with open_judge(task, Verifying()) as judge, TemporaryDirectory() as folder:
        solver = Tools(opened.codec, opened.sampler, judge)
        completer = Tools(opened.codec, recording, judge)
        params = SamplingParams(max_tokens=settings.max_tokens)
        generators = Generators(solver=solver, completer=completer, task=task, params=params)
        plan = Labeling(solutions=settings.solutions, continuations=settings.m)
        problems = task.problems("train")[: settings.problems]
        began, cpu = time.perf_counter(), time.process_time()
        made = label(generators, problems, plan, identity={}, shards=Path(folder))
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    every = sum(len(solution.counts) for solution in made.solutions)
    rate = recording.continuations / spent
    print(f"{len(made.solutions)} solutions, {every} prefixes, {recording.prefixes} of them distinct")
    print(f"{recording.continuations} continuations in {seconds:.1f} s ({spent:.1f} CPU seconds, {rate:.0f} in each)")
    print(f"{recording.computed} tokens computed, {recording.restarts} by restarts from the distinct prefixes")
    print(f"{recording.computed / recording.restarts:.3f} of restarts")


if __name__ == "__main__":
    main(tyro.cli(Settings))
