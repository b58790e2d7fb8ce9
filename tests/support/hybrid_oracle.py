"""Hybrid thinking written down once more, in float64 and without caches: what a response was sampled from."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from forage.engines.local.latent_gates import LatentGates


def blend(gates: LatentGates, embedding: Tensor, expected: Tensor) -> Tensor:
    """embedding, expected (d,) float64 -> what is read."""
    weights = {name: tensor.double() for name, tensor in gates.named_parameters()}
    reset = 1 / (1 + (-(weights["reset.weight"] @ embedding + weights["reset.bias"])).exp())
    inject = 1 / (1 + (-(weights["inject.weight"] @ embedding + weights["inject.bias"])).exp())
    kept = (-8 * (1 + (-weights["decay"]).exp()).log() * reset).exp()
    return kept * embedding + (1 - kept**2 + 1e-8).sqrt() * inject * expected


def relive(
    module: PreTrainedModel,
    gates: LatentGates,
    prompt: Sequence[int],
    tokens: Sequence[int],
    *,
    temperature: float,
    blends: int,
    expected: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The log-probabilities (T,) of a response whose first `blends` tokens are read as blends, and what was expected
    in the places of its tokens, (T, d): as given, or as the policy expects it."""
    embed = cast(Any, module.get_input_embeddings())
    table = embed(torch.arange(embed.weight.shape[0])).double()
    inputs = [table[token] for token in prompt]
    logprobs, means = [], []
    for place, token in enumerate(tokens):
        logits = module(inputs_embeds=torch.stack(inputs).float()[None], use_cache=False).logits[0, -1].double()
        logprob = (logits / temperature).log_softmax(0)
        p = logprob.exp()
        mean = (p @ table) / p.square().sum().sqrt() if expected is None else expected[place].double()
        inputs.append(blend(gates, table[token], mean) if place < blends else table[token])
        logprobs.append(logprob[token])
        means.append(mean)
    return torch.stack(logprobs), torch.stack(means)
