"""Small random models of every architecture that is promised, and of some that are refused."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

WINDOW = 5
BODY: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 3,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {"vocab_size": 40, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
    "moe_num_experts": 4,
    "moe_k": 2,
    "n_group": 1,
    "topk_group": 1,
}
MIXED = ["sliding_attention", "full_attention"]
WINDOWED: dict[str, Any] = {"sliding_window": WINDOW, "layer_types": MIXED}
SWITCHED: dict[str, Any] = {**WINDOWED, "use_sliding_window": True}
ALL: dict[str, Any] = {"sliding_window": WINDOW}

COMMON: dict[str, dict[str, Any]] = {
    "llama": BODY,
    "mistral": {**BODY, **ALL},
    "mixtral": {**BODY, **ALL, **EXPERTS},
    "qwen2": {**BODY, **SWITCHED},
    "qwen3": {**BODY, **SWITCHED, "head_dim": 8},
    "qwen3_moe": {**BODY, **ALL, **EXPERTS, "use_sliding_window": True, "max_window_layers": 0, "head_dim": 8},
    "gemma3_text": {**BODY, **WINDOWED, "head_dim": 8, "query_pre_attn_scalar": 8},
    "phi3": {**BODY, **ALL},
    "gpt2": GPT2,
    "olmo3": {**BODY, **WINDOWED},
}
MORE: dict[str, dict[str, Any]] = {
    "apertus": BODY,
    "arcee": BODY,
    "bitnet": BODY,
    "cohere": BODY,
    "cohere2": {**BODY, **WINDOWED},
    "cwm": {**BODY, **WINDOWED},
    "diffllama": BODY,
    "ernie4_5": BODY,
    "ernie4_5_moe": {**BODY, **EXPERTS},
    "exaone4": {**BODY, **WINDOWED},
    "flex_olmo": {**BODY, **EXPERTS},
    "gemma": {**BODY, "head_dim": 8},
    "gemma2": {**BODY, **WINDOWED, "head_dim": 8, "query_pre_attn_scalar": 8},
    "glm": {**BODY, "head_dim": 8},
    "glm4": {**BODY, "head_dim": 8},
    "glm4_moe": {**BODY, **EXPERTS, "head_dim": 8},
    "gpt_bigcode": GPT2,
    "gpt_neox": BODY,
    "granite": BODY,
    "granitemoe": {**BODY, **EXPERTS},
    "helium": {**BODY, "head_dim": 8},
    "hunyuan_v1_dense": {**BODY, "head_dim": 8},
    "minimax_m2": {**BODY, **EXPERTS, "head_dim": 8},
    "nanochat": BODY,
    "nemotron": BODY,
    "olmo": BODY,
    "olmo2": BODY,
    "olmoe": {**BODY, **EXPERTS},
    "opt": {**BODY, "ffn_dim": 48, "word_embed_proj_dim": 32},
    "persimmon": BODY,
    "phi": BODY,
    "qwen2_moe": {**BODY, **EXPERTS, "use_sliding_window": False},
    "seed_oss": {**BODY, "head_dim": 8},
    "smollm3": BODY,
    "stablelm": BODY,
    "starcoder2": {**BODY, **ALL},
    "vaultgemma": {**BODY, **WINDOWED, "head_dim": 8, "query_pre_attn_scalar": 8},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "qwen2_moe": ({**BODY, **EXPERTS, **SWITCHED, "sliding_window": 64}, "beyond its attention window"),
    "phimoe": ({**BODY, **EXPERTS, "sliding_window": 64}, "beyond its attention window"),
    "llama4_text": (
        {**BODY, **EXPERTS, "attention_chunk_size": 64, "head_dim": 8, "intermediate_size_mlp": 48},
        "",
    ),
    "gpt_oss": ({**BODY, **EXPERTS, "sliding_window": 64, "head_dim": 8}, "s_aux"),
    "mamba": ({"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}, "keys and values"),
    "bloom": ({"vocab_size": 40, "hidden_size": 16, "n_layer": 2, "n_head": 2}, ""),
    "gptj": ({**GPT2, "rotary_dim": 4}, ""),
    "mpt": ({"vocab_size": 40, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}, ""),
    "lfm2": ({**BODY, "layer_types": ["conv", "full_attention"]}, ""),
    "xglm": ({"vocab_size": 40, "d_model": 32, "num_layers": 2, "attention_heads": 4, "ffn_dim": 48}, ""),
}


def build_architecture(name: str, settings: dict[str, Any]) -> PreTrainedModel:
    """A model whose distributions are neither flat nor certain, in its own eager attention."""
    torch.manual_seed(7)
    config = CONFIG_MAPPING[name](**settings)
    module = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return module
