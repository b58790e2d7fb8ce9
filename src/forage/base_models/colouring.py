"""The base model of the coloring world: it knows several right answers to each graph, and likes some of them better.

It learns from soft targets, the whole distribution of each next token: from one answer to a graph it would have to
guess which of 27 were likely.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import GPT2Config, PreTrainedConfig, PreTrainedTokenizerFast

from forage.base_models.soft_targets import draw_with_targets
from forage.base_models.tiny_model import Example, Language, TinySettings, build, character_tokenizer
from forage.core.seeds import derive_seed
from forage.tasks.colouring import Answers, ColoringTask
from forage.tasks.colouring.graphs import BASE, COLORINGS, Graph, base_graphs

PAD, END = "<pad>", "<eos>"
CHARACTERS = "123abcdef.|="
TOKEN_OF = {character: token for token, character in enumerate((PAD, END, *CHARACTERS))}

TOKENS: dict[Answers, int] = {"short": 4, "long": 7}
"""The length of a response with its end."""

RIGHT_MASS = 0.45
"""How much of the supervised probability lies on right colorings; the wrong ones share the rest alike."""
DECAY = 0.5
"""What a right coloring has of the mass of the one before it in canonical order."""


NUMBER_OF = {coloring: number for number, coloring in enumerate(COLORINGS)}


def coloring_chances(graph: Graph) -> NDArray[np.float64]:
    """(27,) the supervised probability of each coloring, in the order of `COLORINGS`."""
    ranked = graph.canonical
    chances = np.full(len(COLORINGS), (1 - RIGHT_MASS) / (len(COLORINGS) - len(ranked)))
    shares = DECAY ** np.arange(len(ranked))
    chances[[NUMBER_OF[coloring] for coloring in ranked]] = RIGHT_MASS * shares / shares.sum()
    return chances


@dataclass(frozen=True)
class WrittenColorings(Language):
    """Graphs of the base split in turn, an answer drawn to each."""

    task: ColoringTask

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return character_tokenizer(CHARACTERS, end=END, pad=PAD)

    def drawn(self, amount: int) -> tuple[list[Graph], Tensor, Tensor]:
        """Graphs, a response to each (amount, R) and the distribution of each of its tokens (amount, R, V)."""
        return _drawn(self.task, amount)

    def written(self, amount: int) -> Iterator[Example]:
        graphs, responses, _ = self.drawn(amount)
        for graph, response in zip(graphs, responses.tolist(), strict=True):
            yield [TOKEN_OF[character] for character in graph.prompt], response

    def targets(self, amount: int) -> Tensor:
        return self.drawn(amount)[2]

    def identity(self) -> Sequence[Any]:
        graphs, responses, targets = self.drawn(100)
        return [[graph.prompt for graph in graphs], responses.tolist(), targets.round(decimals=4).tolist(), CHARACTERS]


@lru_cache(maxsize=1)
def _drawn(task: ColoringTask, amount: int) -> tuple[list[Graph], Tensor, Tensor]:
    written = [text for coloring in COLORINGS for text in task.written(coloring)]
    texts = torch.tensor([[*(TOKEN_OF[character] for character in text), TOKEN_OF[END]] for text in written])
    ways = len(written) // len(COLORINGS)
    graphs = [base_graphs()[number % BASE] for number in range(amount)]
    chances = torch.from_numpy(np.stack([coloring_chances(graph) for graph in graphs[:BASE]])).float()
    spread = chances[torch.arange(amount) % BASE].repeat_interleave(ways, dim=1) / ways
    generator = torch.Generator().manual_seed(derive_seed("colouring base", task.seed))
    return graphs, *draw_with_targets(texts, spread, vocabulary=len(TOKEN_OF), generator=generator)


@dataclass(frozen=True, kw_only=True)
class ColoringBase(TinySettings):
    """How a base model of the coloring world is made: 0.34 million weights.

    Every prompt has the same layout, so a position has a meaning here. With an embedding for each position (GPT-2)
    300 steps give pass@1 .36, and reinforcement learning carries over to unseen graphs; with rotary positions (Llama)
    they give .28, and it hardly does.
    """

    answers: Answers = "short"
    traces: int = 28_800
    steps: int = 300
    batch: int = 96
    lr: float = 2e-3
    weight_decay: float = 0.0
    heads: int = 4
    head_dim: int = 24
    inner: int = 384
    positions: int = 128

    def config(self, *, vocabulary: int, end: int, pad: int) -> PreTrainedConfig:
        return GPT2Config(
            vocab_size=vocabulary,
            n_embd=self.hidden,
            n_inner=self.inner,
            n_layer=self.layers,
            n_head=self.heads,
            n_positions=self.positions,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            initializer_range=0.1,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
            dtype="float32",
        )

    @property
    def language(self) -> WrittenColorings:
        return WrittenColorings(ColoringTask(answers=self.answers, seed=self.seed))

    @property
    def world(self) -> str:
        return f"colouring:answers={self.answers}"

    @property
    def max_tokens(self) -> int:
        return TOKENS[self.answers]

    @property
    def label(self) -> str:
        return f"base-colouring-{self.answers}"


def build_coloring_base(
    out: Path | None = None, *, answers: Answers = "short", seed: int = 0, progress: bool = True
) -> Path:
    """The directory of the base model for these answers, built unless it exists: `tiny_model.build`.

    `seed` selects answers, initial weights and order. Raises ForageError where `out` holds something else.
    """
    return build(ColoringBase(answers=answers, seed=seed), out, progress=progress)
