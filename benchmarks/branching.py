"""What sampling again from every step end costs: branching against naive restarts, on the lab.

    python benchmarks/branching.py [--model DIRECTORY] [--size experiment] [--rollouts 16] [--continuations 8]

Takes rollouts of the base model, and samples continuations from every step end of each. "restarts" reads the start of
every continuation anew; "starts" reads every distinct start once; "branching" reads every path once, which is what the
sampler does. All three are counted in tokens that the model computes (reading and decoding together); the two that can
be run with this sampler are timed.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

from forage.engines.local.engine import LocalEngine
from forage.engines.local.sampler import LocalSampler
from forage.protocols import SampleRequest
from forage.recipes.base import build_base
from forage.records import Completion, SamplingParams
from forage.tasks.countdown import Countdown

Sampled = dict[int, tuple[Completion, ...]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="")
    options.add_argument("--size", choices=("demo", "experiment"), default="experiment")
    options.add_argument("--rollouts", type=int, default=16)
    options.add_argument("--continuations", type=int, default=8)
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    opened = LocalEngine(threads=chosen.threads, matmul="highest").open(
        chosen.model or str(build_base(size=chosen.size))
    )
    task, params = Countdown(size=chosen.size), SamplingParams(max_tokens=120)
    prompts = [opened.codec.prompt(problem) for problem in task.problems("train")[: chosen.rollouts]]
    rollouts = dict(opened.sampler.sample([SampleRequest(p, 1, i) for i, p in enumerate(prompts)], params))
    asked: list[SampleRequest] = []
    for number, prompt in enumerate(prompts):
        tokens = rollouts[number][0].tokens
        for end in (0, *task.step_ends(opened.codec.pieces(tokens))[:-1]):
            seed = 1000 * number + end
            left = params.max_tokens - end
            asked.append(SampleRequest(prompt + tokens[:end], chosen.continuations, seed, limit=left))

    naive, naive_cost, naive_seconds = run_restarts(opened.sampler, asked, params)
    began, before = time.perf_counter(), cost(opened.sampler)
    branched: Sampled = dict(opened.sampler.sample(asked, params))
    seconds, branching_cost = time.perf_counter() - began, cost(opened.sampler) - before
    distinct = sum(map(len, {request.tokens for request in asked}))
    decoded = sum(len(c.tokens) - 1 for group in branched.values() for c in group)
    equal = sum(
        one.tokens == other.tokens for n, group in branched.items() for one, other in zip(group, naive[n], strict=True)
    )
    gap = max(
        abs(a - b)
        for n, group in branched.items()
        for one, other in zip(group, naive[n], strict=True)
        if one.tokens == other.tokens
        for a, b in zip(one.logprobs, other.logprobs, strict=True)
    )
    total = sum(map(len, branched.values()))
    print(f"{len(asked)} starts of {len(prompts)} rollouts, {total} continuations")
    print(f"  restarts  {naive_cost:>8} tokens computed, {naive_seconds:6.2f} s")
    print(f"  starts    {distinct + decoded:>8} tokens computed")
    share = branching_cost / naive_cost
    print(f"  branching {branching_cost:>8} tokens computed, {seconds:6.2f} s: {share:.3f} of restarts")
    print(f"  the same tokens in {equal} of {total} continuations; log-probabilities within {gap:.1e}")


def run_restarts(
    sampler: LocalSampler, asked: Sequence[SampleRequest], params: SamplingParams
) -> tuple[Sampled, int, float]:
    """Every start in a call of its own; continuations are charged for reading it, as restarts one by one would be."""
    began, before = time.perf_counter(), cost(sampler)
    found = {i: next(sampler.sample([replace(request)], params))[1] for i, request in enumerate(asked)}
    again = sum(len(request.tokens) * (request.siblings - 1) for request in asked)
    return found, cost(sampler) - before + again, time.perf_counter() - began


def cost(sampler: LocalSampler) -> int:
    return sampler.tokens_read + sampler.tokens_decoded


if __name__ == "__main__":
    main()
