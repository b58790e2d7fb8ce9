"""Tiny worlds: tasks of a few words that the real pipeline must learn in seconds, and a model with no history.

The model's weights are a formula, not a file or a generator, so a world begins the same everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forage.core.protocols import Task
from forage.core.records import Problem, Score

WORDS = ("<pad>", "<eos>", "go", "one", "two", "three", "north", "south")


def blank_model(place: Path, *, width: int = 32, layers: int = 2) -> Path:
    """A Llama over `WORDS` whose weights are sines: nearly uniform, and equal on every machine up to one rounding."""
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=width // 2,
        max_position_embeddings=64,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
        dtype="float32",
    )
    module = LlamaForCausalLM(config)
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            if parameter.dim() > 1:
                index = torch.arange(parameter.numel(), dtype=torch.float64)
                parameter.copy_(torch.sin(index * 12.9898 + number * 78.233).mul(0.2).view(parameter.shape))
    module.save_pretrained(place)
    words = Tokenizer(WordLevel({word: token for token, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<eos>", pad_token="<pad>").save_pretrained(place)
    return place


@dataclass(frozen=True, kw_only=True)
class World(Task):
    """Rewards by the words of a response: the longest key that the response begins with says what it is worth."""

    name: ClassVar[str] = "world"

    worth: tuple[tuple[str, float], ...]

    def problems(self, split: Literal["train", "test"]) -> Sequence[Problem]:
        return tuple(Problem(id=f"{split}:{word}", prompt=f"go {word}", answer="", task="world") for word in WORDS[3:6])

    def verify(self, problem: Problem, text: str) -> Score:
        fitting = [(len(key), value) for key, value in self.worth if text.startswith(key)]
        value = max(fitting, default=(0, 0.0))[1]
        return Score(value, {"correct": float(value == 1), "commit": 1.0})

    def step_ends(self, pieces: Sequence[str]) -> tuple[int, ...]:
        """Every word is a step."""
        return tuple(range(1, len(pieces) + 1))


EASY = World(worth=(("north", 1.0),))
"""One word is right: any policy gradient must find it."""

DECOY = World(worth=(("south", 0.2), ("north north north", 1.0)))
"""One word pays a little at once; the treasure is behind three words in a row, and each of them alone pays nothing."""
