"""Seconds and peak memory of one step on one GPU: sampling, log-probabilities and update, apart.

`python benchmarks/gpu_card.py VARIANT` prints one JSON line; `benchmarks/gpu.sh` runs the variants and makes the table.
The model has the sizes of Qwen2.5-0.5B and random weights: nothing is downloaded. 16 prompts of 128 tokens, 16
responses of 256 tokens each; medians of 3 steps after one that is not counted. `--device cpu` measures a tiny model.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.protocols import SampleRequest
from forage.core.records import Group, Problem, Rollout, SamplingParams, Score, Start
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip

T = TypeVar("T")

BODY = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
STEPS = 3


def build(place: Path, *, tiny: bool) -> None:
    """A checkpoint with random weights. Its end token is one of many equally likely ones, so responses are full."""
    sizes, vocabulary = (TINY, 20_000) if tiny else (BODY, 151_936)
    torch.manual_seed(0)
    config = Qwen2Config(
        **sizes,
        vocab_size=vocabulary,
        num_key_value_heads=2,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    Qwen2ForCausalLM(config).save_pretrained(place)
    words = {"<pad>": 0, "<eos>": 1} | {chr(33 + n): n + 2 for n in range(90)}
    raw = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<eos>", pad_token="<pad>").save_pretrained(place)


def measured(work: Callable[[], T], device: str) -> tuple[T, float, float]:
    """The result, seconds, and the peak of allocated GiB (0 on a CPU)."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    return result, time.perf_counter() - began, peak


def main(dtype: Any, share: bool, graphs: bool, device: str) -> dict[str, Any]:
    tiny = device == "cpu"
    prompts, group_size, width, longest = (2, 4, 16, 8) if tiny else (16, 16, 128, 256)
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), tiny=tiny)
        engine = LocalEngine(dtype=dtype, device=device, matmul="highest", share_starts=share, cuda_graphs=graphs)
        settings = Optimization(lr=1e-9, mini_batches=1, micro_tokens=16_384)
        opened = engine.open(folder, optimization=settings)
    generator = torch.Generator().manual_seed(1)
    texts = torch.randint(2, 10_000, (prompts, width), generator=generator).tolist()
    starts = [Start(Problem(id=str(n), prompt="", answer="", task="none")) for n in range(prompts)]
    loss = PolicyLoss(surrogate=PPOClip(low=0.2, high=0.2), reduction=TokenMean())
    rows: list[dict[str, float]] = []
    for step in range(STEPS + 1):
        asked = [SampleRequest(tuple(text), group_size, seed=1000 * step + n) for n, text in enumerate(texts)]
        limit = SamplingParams(max_tokens=longest)
        done, *sampling = measured(lambda asked=asked, limit=limit: dict(opened.sampler.sample(asked, limit)), device)
        groups = [
            Group(
                start,
                tuple(
                    Rollout(start, one.tokens, one.logprobs, one.entropies, "", (len(one.tokens),), one.stop, 0)
                    for one in done[n]
                ),
                tuple(Score(float(i % 2)) for i in range(group_size)),
            )
            for n, start in enumerate(starts)
        ]
        batch = collate(groups, lambda problem: tuple(texts[int(problem.id)]))
        train = TrainBatch(Experience(batch, {}), torch.where(batch.loss_mask, (batch.reward - 0.5)[:, None], 0.0))
        seen, *looking = measured(lambda batch=batch: opened.policy.measure(batch), device)
        _, *update = measured(lambda train=train, step=step: opened.policy.improve(train, loss, seed=step), device)
        gap = (seen.logprob - batch.behaviour)[batch.loss_mask].abs().max()
        row = {"tokens": float(batch.loss_mask.sum()), "largest_logprob_gap": float(gap)}
        for name, (seconds, peak) in (("sampling", sampling), ("logprobs", looking), ("update", update)):
            row |= {f"{name}_s": seconds, f"{name}_gib": peak}
        rows.append(row)
    middle = {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]}
    return {"dtype": dtype, "share_starts": share, "graphs": graphs, **middle}


if __name__ == "__main__":
    where = sys.argv[sys.argv.index("--device") + 1] if "--device" in sys.argv else "cuda"
    kind, sharing, *decoding = sys.argv[1].split(",")
    print(json.dumps(main(kind, sharing == "shared", decoding == ["graphs"], where)))
