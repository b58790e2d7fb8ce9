"""Random models of a few thousand parameters, one per architecture family."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GraniteConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from support.word_tokenizer import VOCABULARY, word_tokenizer

STOP = 3

BODY: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": STOP,
    "pad_token_id": 0,
}
WINDOWED: dict[str, Any] = {**BODY, "head_dim": 8, "sliding_window": 5, "query_pre_attn_scalar": 8}

CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**BODY),
    "qwen3": lambda: Qwen3Config(**BODY, head_dim=8),
    "gpt2": lambda: GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=128, bos_token_id=1, eos_token_id=STOP
    ),
    "gemma2": lambda: Gemma2Config(**WINDOWED, attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
    "gemma3": lambda: Gemma3TextConfig(**WINDOWED, layer_types=["sliding_attention", "full_attention"]),
    "granite": lambda: GraniteConfig(**BODY, logits_scaling=0.5, attention_multiplier=0.3),
    "cohere": lambda: CohereConfig(**BODY, logit_scale=0.25),
}
FAMILIES = ("llama", "qwen3", "gpt2", "gemma2", "gemma3")


def build_module(family: str) -> PreTrainedModel:
    """A model whose distributions are neither flat nor certain, in its own eager attention."""
    torch.manual_seed(7)
    module = AutoModelForCausalLM.from_config(CONFIGS[family](), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return module


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return word_tokenizer()


@pytest.fixture
def module_of() -> Callable[[str], PreTrainedModel]:
    return build_module
