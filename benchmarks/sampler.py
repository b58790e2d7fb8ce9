"""Completion tokens per second of our sampler against Hugging Face `generate`, side by side.

    python benchmarks/sampler.py [--repetitions 5] [--threads 1]

A random Qwen3 model (4 layers, width 192, 6 heads on 2 key-value heads, vocabulary 128), 16 prompts of 8 tokens with 16
samples each, up to 64 new tokens. "full" never stops early; "natural" has a head whose bias towards the stop token
gives completions of about 21 tokens. The two take turns, so a busy moment of the machine hurts both alike; medians are
shown. `generate` records neither log-probabilities nor entropies; ours does.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, cast

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.model import LocalModel
from forage.engines.local.numerics import choose_matmul
from forage.engines.local.sampler import LocalSampler

PROMPTS, SIBLINGS, NEW, LENGTH, STOP = 16, 16, 64, 8, 1


class NoTokenizer:
    """The benchmark works on token ids."""

    eos_token_id = None


def module(*, natural: bool) -> Qwen3ForCausalLM:
    """The benchmark's model. The stop token's share is set through its row of the embedding's constant direction."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=128,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        tie_word_embeddings=False,
        eos_token_id=STOP if natural else None,
        pad_token_id=0,
    )
    model = Qwen3ForCausalLM(config).eval()
    if natural:
        # A stop token about every 21 tokens: its probability is e^b / (V - 1 + e^b) with nearly flat logits.
        bias = torch.zeros(128)
        bias[STOP] = float(torch.log(torch.tensor(127 / 20.0)))
        head = torch.nn.Linear(192, 128)
        head.weight = model.lm_head.weight
        head.bias = torch.nn.Parameter(bias)
        model.lm_head = head
    return model


def ours(model: Qwen3ForCausalLM, prompts: list[tuple[int, ...]]) -> Callable[[int], int]:
    sampler = LocalSampler(LocalModel(model, NoTokenizer()))  # pyright: ignore[reportArgumentType]

    def run(seed: int) -> int:
        requests = [SampleRequest(prompt, SIBLINGS, seed * 1000 + i) for i, prompt in enumerate(prompts)]
        done = sampler.sample(requests, SamplingParams(max_tokens=NEW))
        return sum(len(completion.tokens) for _, group in done for completion in group)

    return run


def theirs(model: Qwen3ForCausalLM, prompts: list[tuple[int, ...]]) -> Callable[[int], int]:
    tokens = torch.tensor([prompt for prompt in prompts for _ in range(SIBLINGS)])

    def run(seed: int) -> int:
        torch.manual_seed(seed)
        out = cast(Any, model).generate(
            tokens,
            attention_mask=torch.ones_like(tokens),
            do_sample=True,
            top_k=0,
            max_new_tokens=NEW,
            pad_token_id=0,
        )
        new = out[:, LENGTH:]
        stops = (new == STOP).int().cumsum(dim=1)
        live = torch.ones_like(new, dtype=torch.bool)
        if model.generation_config.eos_token_id is not None:
            live[:, 1:] = stops[:, :-1] == 0
        return int(live.sum())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    choice = choose_matmul()
    print(f"threads {options.threads}; float32 products: {choice.chosen} ({choice.reason})")
    generator = torch.Generator().manual_seed(1)
    prompts = [tuple(row) for row in torch.randint(2, 128, (PROMPTS, LENGTH), generator=generator).tolist()]
    print(
        f"{'lengths':<10}{'mean':>6}{'generate/s':>12}{'forage/s':>10}{'ratio':>7}   (ratios of the pairs: min - max)"
    )
    for name in ("full", "natural"):
        model, other = module(natural=name == "natural"), module(natural=name == "natural")
        runs = {"forage": ours(model, prompts), "generate": theirs(other, prompts)}
        for run in runs.values():
            run(0)
        speeds: dict[str, list[float]] = {"forage": [], "generate": []}
        mean = 0.0
        for repetition in range(1, options.repetitions + 1):
            for label, run in runs.items():
                began = time.perf_counter()
                count = run(repetition)
                speeds[label].append(count / (time.perf_counter() - began))
                mean = count / (PROMPTS * SIBLINGS)
        slow, fast = statistics.median(speeds["generate"]), statistics.median(speeds["forage"])
        ratios = [a / b for a, b in zip(speeds["forage"], speeds["generate"], strict=True)]
        print(
            f"{name:<10}{mean:>6.1f}{slow:>12,.0f}{fast:>10,.0f}{statistics.median(ratios):>7.2f}"
            f"   ({min(ratios):.2f} - {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
