"""What is promised for every architecture: our log-probabilities are the module's own, beyond every window.

`python tests/engines/test_architectures.py` prints the largest difference of each, for docs/your-own-model.md.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler
from support.architectures import COMMON, MORE, REFUSED, WINDOW, build_architecture
from support.word_tokenizer import word_tokenizer

NEW, PROMPTS = 20, ((4, 9, 20, 31, 7, 7, 12, 5, 33), (8, 30), (4, 9, 20, 31, 11))
LARGEST = 1e-4
"""Nats: rounding of float32 in models whose logits reach ten."""


def everything() -> list[Any]:
    return [*COMMON, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]


@torch.no_grad()
def own_logprobs(module: PreTrainedModel, sequence: tuple[int, ...]) -> Tensor:
    """(T - 1,) of one unpadded sequence, by the module's own eager forward pass without a cache."""
    logits = module(input_ids=torch.tensor([sequence]), use_cache=False).logits.float()[0, :-1]
    return logits.log_softmax(-1).gather(1, torch.tensor(sequence)[1:, None]).squeeze(1)


@torch.no_grad()
def largest_difference(name: str, settings: dict[str, Any]) -> tuple[float, float]:
    """Of the sampler's log-probabilities, and of a padded batch's, to those of the module itself."""
    module = build_architecture(name, settings)
    reference = copy.deepcopy(module)
    model = LocalModel(module, word_tokenizer())
    requests = [SampleRequest(prompt, 2, number) for number, prompt in enumerate(PROMPTS)]
    completions = dict(LocalSampler(model, rows=4).sample(requests, SamplingParams(max_tokens=NEW)))
    rows = [(PROMPTS[number], one) for number, found in completions.items() for one in found]
    width = max(len(prompt) + len(one.tokens) for prompt, one in rows)
    assert width > 4 * WINDOW
    tokens = torch.zeros(len(rows), width, dtype=torch.int64)
    for row, (prompt, one) in enumerate(rows):
        tokens[row, : len(prompt) + len(one.tokens)] = torch.tensor((*prompt, *one.tokens))
    logprobs = model.head.logits(model.hidden(tokens)).log_softmax(-1)
    sampled = forced = 0.0
    for row, (prompt, one) in enumerate(rows):
        sequence = (*prompt, *one.tokens)
        wanted = own_logprobs(reference, sequence)
        sampled = max(sampled, float((torch.tensor(one.logprobs) - wanted[len(prompt) - 1 :]).abs().max()))
        found = logprobs[row, : len(sequence) - 1].gather(1, torch.tensor(sequence)[1:, None]).squeeze(1)
        forced = max(forced, float((found - wanted).abs().max()))
    return sampled, forced


@pytest.mark.parametrize("name", everything())
def test_sampled_and_forced_logprobs_are_the_modules_own(name: str) -> None:
    sampled, forced = largest_difference(name, {**COMMON, **MORE}[name])
    assert sampled < LARGEST
    assert forced < LARGEST


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_compute_is_refused_without_torchs_words(name: str) -> None:
    settings, reason = REFUSED[name]
    module = build_architecture(name, settings)
    with pytest.raises(ForageError, match="is an unsupported architecture") as refused:
        LocalModel(module, word_tokenizer())
    said = str(refused.value)
    assert type(module).__name__ in said
    assert reason in said
    assert "Supported are Llama, Mistral" in said
    for leak in ("size of tensor", "shape", "[", "dimension", "object has no attribute", "positional"):
        assert leak not in said


@pytest.mark.parametrize("name", [name for name, settings in COMMON.items() if "sliding_window" in settings])
def test_windows_are_what_they_were_after_the_model_was_tried(name: str) -> None:
    module = build_architecture(name, {**COMMON[name], "sliding_window": 64})
    reference, tokens = copy.deepcopy(module), torch.randint(0, 40, (2, 30), generator=torch.Generator().manual_seed(1))
    before = module.config.to_dict()
    model = LocalModel(module, word_tokenizer())
    assert module.config.to_dict() == before
    with torch.no_grad():
        found, wanted = model.head.logits(model.hidden(tokens)), reference(input_ids=tokens).logits
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-4)


if __name__ == "__main__":
    for name, settings in sorted({**COMMON, **MORE}.items()):
        sampled, forced = largest_difference(name, settings)
        print(f"| `{name}` | {settings.get('sliding_window', '')} | {sampled:.1e} | {forced:.1e} |")
