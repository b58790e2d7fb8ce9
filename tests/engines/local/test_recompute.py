"""Gradient checkpointing: the same gradients, fewer activations, and no effect on sampling."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, OPTConfig, PreTrainedModel

from forage.core.errors import ForageError
from forage.core.records import SampleRequest, SamplingParams
from forage.engines.local.adapters import Lora, add_adapter
from forage.engines.local.model import LocalModel
from forage.engines.local.sampler import LocalSampler

Modules = Callable[[str], PreTrainedModel]

TOKENS = torch.tensor([[4, 9, 20, 7, 31, 8], [5, 5, 2, 38, 11, 6]])


def gradients(model: LocalModel) -> dict[str, Tensor]:
    model.head.logits(model.hidden(TOKENS)).square().mean().backward()
    return {name: p.grad for name, p in model.module.named_parameters() if p.grad is not None}


def kept_bytes(model: LocalModel) -> int:
    """What a forward pass keeps for its backward pass, each storage once."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden = model.hidden(TOKENS.repeat(8, 8))
    assert hidden.requires_grad
    return sum(kept.values())


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2", "qwen3"])
def test_gradients_are_the_same_bits(family: str, module_of: Modules, tokenizer) -> None:
    plain, recomputing = LocalModel(module_of(family), tokenizer), LocalModel(module_of(family), tokenizer)
    recomputing.recompute()
    expected, found = gradients(plain), gradients(recomputing)
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], gradient) for name, gradient in expected.items())


def test_fewer_activations_are_kept(module_of: Modules, tokenizer) -> None:
    plain, recomputing = LocalModel(module_of("llama"), tokenizer), LocalModel(module_of("llama"), tokenizer)
    recomputing.recompute()
    assert kept_bytes(recomputing) < 0.5 * kept_bytes(plain)


def test_adapters_learn_through_recomputed_layers(module_of: Modules, tokenizer) -> None:
    models = [LocalModel(module_of("llama"), tokenizer) for _ in range(2)]
    for model in models:
        add_adapter(model.module, Lora(rank=2), base="x")
    models[1].recompute()
    plain, recomputed = map(gradients, models)
    assert plain.keys() == recomputed.keys()
    assert any("lora_B" in name and gradient.any() for name, gradient in recomputed.items())
    assert all(torch.equal(recomputed[name], gradient) for name, gradient in plain.items())


def test_sampling_keeps_its_cache(module_of: Modules, tokenizer) -> None:
    requests = [SampleRequest(tokens=(4, 9, 20), group_size=3, seed=1)]
    found = []
    for recompute in (False, True):
        model = LocalModel(module_of("gpt2"), tokenizer)
        if recompute:
            model.recompute()
        found.append(dict(LocalSampler(model).sample(requests, SamplingParams(max_tokens=12))))
    assert found[0] == found[1]


def test_layers_that_would_drop_activations_are_refused(tokenizer) -> None:
    """OPT's layers drop activations themselves as soon as they are told to learn: other numbers than were sampled."""
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=40, hidden_size=16, ffn_dim=16, num_hidden_layers=2, num_attention_heads=2, word_embed_proj_dim=16
    )
    model = LocalModel(AutoModelForCausalLM.from_config(config), tokenizer)
    with pytest.raises(ForageError, match="OPTForCausalLM cannot be trained with gradient checkpointing"):
        model.recompute()
