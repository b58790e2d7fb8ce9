"""What a user brings: a GPT-2-like checkpoint with random weights, a byte-level tokenizer, and a table of 20 sums."""

import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

END = "<|endoftext|>"
CHAT_TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def sums(amount: int = 20, *, seed: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    pairs = [(rng.randint(2, 40), rng.randint(2, 40)) for _ in range(amount)]
    return [{"prompt": f"What is {a} + {b}?", "answer": str(a + b)} for a, b in pairs]


def write_table(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_model(folder: Path, *, chat: bool = False, positions: int = 256) -> Path:
    """A checkpoint of two layers; its tokenizer has no padding token, as GPT-2's has none."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    texts = [f"{row['prompt']} The answer is {row['answer']}." for row in sums()]
    raw.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=320, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=END, bos_token=END)
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    module = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=positions,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
