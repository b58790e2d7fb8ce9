"""A world of seconds for TRL: a random Qwen2 of two layers, four prompts, and a reward that varies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from support.own_world import sums, write_model

PROMPTS = ["What is 2 + 3?", "What is 4 + 9?", "What is 7 + 7?", "What is 8 + 1?"]
MANY = [row["prompt"] for row in sums()]


def write_qwen(folder: Path) -> Path:
    write_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=2, bos_token_id=0, eos_token_id=0, **sizes)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def even(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """1 where the sum of the tokens is even: about half of all completions."""
    return [float(sum(ids) % 2 == 0) for ids in completion_ids]


def trainer(
    kind: type,
    model: Path,
    out: Path,
    *,
    prompts: Sequence[str] = PROMPTS,
    reward_funcs: Any = even,
    rollout_func: Any = None,
    **settings: Any,
) -> Any:
    from datasets import Dataset  # pyright: ignore[reportMissingImports]
    from trl import GRPOConfig  # pyright: ignore[reportMissingImports]

    chosen: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 8,
        "max_steps": 4,
        "learning_rate": 1e-2,
        "report_to": [],
        "save_strategy": "no",
        "use_cpu": True,
        "bf16": False,
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": 3,
        **settings,
    }
    torch.manual_seed(0)
    return kind(
        model=str(model),
        reward_funcs=reward_funcs,
        args=GRPOConfig(**chosen),
        train_dataset=Dataset.from_list([{"prompt": prompt, "answer": str(n)} for n, prompt in enumerate(prompts)]),
        rollout_func=rollout_func,
    )


def losses(trained: Any) -> list[float]:
    return [row["loss"] for row in trained.state.log_history if "loss" in row]


def weights(trained: Any) -> list[torch.Tensor]:
    return [value.detach().clone() for value in trained.model.parameters()]
