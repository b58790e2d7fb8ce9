"""What sampling again from every step end costs: branching against naive restarts, on the lab.

    python benchmarks/branching.py [--model DIRECTORY] [--size experiment] [--rollouts 16] [--continuations 8]

Takes rollouts of the base model, and samples continuations from every step end of each. "restarts" reads the start of
every continuation anew; "starts" reads every distinct start once; "branching" reads every path once, which is what the
sampler does. All three are counted in tokens that the model computes (reading and decoding together); the two that can
be run with this sampler are timed. The log-probabilities of both are compared with each other and with float64.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from unittest.mock import patch

import torch

from forage.base_models.countdown import build_base
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.engines.local.engine import LocalEngine
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler
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
    path = chosen.model or str(build_base(size=chosen.size))
    opened = LocalEngine(threads=chosen.threads, matmul="highest").open(path)
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
    alike = [
        (asked[n].tokens, one, other)
        for n, group in branched.items()
        for one, other in zip(group, naive[n], strict=True)
        if one.tokens == other.tokens
    ]
    gap = max(abs(a - b) for _, one, other in alike for a, b in zip(one.logprobs, other.logprobs, strict=True))
    from_branching, from_restarts = distances_from_float64(path, alike)
    total = sum(map(len, branched.values()))
    print(f"{len(asked)} starts of {len(prompts)} rollouts, {total} continuations")
    print(f"  restarts  {naive_cost:>8} tokens computed, {naive_seconds:6.2f} s")
    print(f"  starts    {distinct + decoded:>8} tokens computed")
    share = branching_cost / naive_cost
    print(f"  branching {branching_cost:>8} tokens computed, {seconds:6.2f} s: {share:.3f} of restarts")
    print(f"  the same tokens in {equal} of {total} continuations; log-probabilities within {gap:.1e}")
    print(f"  farthest from float64: {from_branching:.1e} by branching, {from_restarts:.1e} by restarts")


def run_restarts(
    sampler: LocalSampler, asked: Sequence[SampleRequest], params: SamplingParams
) -> tuple[Sampled, int, float]:
    """Every start in a call of its own; continuations are charged for reading it, as restarts one by one would be."""
    began, before = time.perf_counter(), cost(sampler)
    found = {i: next(sampler.sample([replace(request)], params))[1] for i, request in enumerate(asked)}
    again = sum(len(request.tokens) * (request.group_size - 1) for request in asked)
    return found, cost(sampler) - before + again, time.perf_counter() - began


@torch.inference_mode()
def distances_from_float64(
    path: str, alike: Sequence[tuple[tuple[int, ...], Completion, Completion]]
) -> tuple[float, float]:
    """The largest distance of either's log-probabilities from those of the same tokens in float64 throughout."""
    exact, worst = LocalModel.load(path).module.double(), [0.0, 0.0]
    with (  # modelling code raises some of its numbers to float32, which would lower them here
        patch.object(torch, "float32", torch.float64),
        patch.object(torch, "float", torch.float64),
        patch.object(torch.Tensor, "float", torch.Tensor.double),
    ):
        for start, *both in alike:
            tokens = both[0].tokens
            logits = exact(torch.tensor([[*start, *tokens]]), use_cache=False).logits[0, len(start) - 1 : -1]
            true = logits.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
            for place, one in enumerate(both):
                found = torch.tensor(one.logprobs, dtype=torch.float64)
                worst[place] = max(worst[place], float((found - true).abs().max()))
    return worst[0], worst[1]


def cost(sampler: LocalSampler) -> int:
    return sampler.tokens_read + sampler.tokens_decoded


if __name__ == "__main__":
    main()
