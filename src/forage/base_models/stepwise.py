"""Base models of worlds in which people write one character after the other, each drawn from what might follow.

They learn from soft targets, the whole distribution of each next character.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, character_tokenizer
from forage.core.seeds import derive_seed

PAD, END = "<pad>", "<eos>"


@dataclass(frozen=True)
class StepwiseLanguage(Language):
    """What is written follows from the prompt and the beginning of the response, up to chance."""

    seed: int

    @property
    @abstractmethod
    def characters(self) -> str:
        """Every character of prompts and responses."""

    @property
    @abstractmethod
    def prompts(self) -> Sequence[str]:
        """What is answered, in turn."""

    @abstractmethod
    def following(self, prompt: str, written: str) -> Mapping[str, float]:
        """How likely each next character is; `END` ends the response."""

    @property
    def token_of(self) -> Mapping[str, int]:
        return {character: token for token, character in enumerate((PAD, END, *self.characters))}

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return character_tokenizer(self.characters, end=END, pad=PAD)

    def written(self, amount: int) -> Iterator[Example]:
        token_of = self.token_of
        prompts, responses, _ = _drawn(self, amount)
        for prompt, response in zip(prompts, responses, strict=True):
            yield [token_of[character] for character in prompt], [*(token_of[each] for each in response), token_of[END]]

    def targets(self, amount: int) -> Tensor:
        return _drawn(self, amount)[2]

    def identity(self) -> Sequence[Any]:
        prompts, responses, targets = _drawn(self, 100)
        return [prompts, responses, targets.round(decimals=4).tolist(), self.characters]


@dataclass(frozen=True, kw_only=True)
class StepwiseBase(TinySettings, ABC):
    """How a base model of such a world is made: 0.1 million weights."""

    traces: int = 12_800
    steps: int = 500
    weight_decay: float = 0.0
    layers: int = 2
    hidden: int = 64
    heads: int = 2
    inner: int = 192


@lru_cache(maxsize=1)
def _drawn(language: StepwiseLanguage, amount: int) -> tuple[list[str], list[str], Tensor]:
    """Prompts, a response to each, and (amount, R, V) float32 what might have followed each of its beginnings."""
    rng = random.Random(derive_seed("stepwise base", language.seed))
    token_of = language.token_of
    pool = language.prompts
    prompts = [pool[number % len(pool)] for number in range(amount)]
    responses: list[str] = []
    where: list[tuple[int, int, int]] = []
    values: list[float] = []
    for row, prompt in enumerate(prompts):
        written = ""
        place = 0
        while not written.endswith(END):
            chances = language.following(prompt, written)
            where += [(row, place, token_of[character]) for character in chances]
            values += chances.values()
            written += rng.choices(list(chances), list(chances.values()))[0]
            place += 1
        responses.append(written.removesuffix(END))
    targets = torch.zeros(amount, max(map(len, responses)) + 1, len(token_of))
    targets[torch.tensor(where).unbind(1)] = torch.tensor(values)
    return prompts, responses, targets


def mostly(right: str, others: str, chance: float) -> dict[str, float]:
    """`right` with a probability of `chance`, and each other of `others` alike."""
    wrong = [each for each in others if each != right]
    return {right: chance} | dict.fromkeys(wrong, (1 - chance) / len(wrong))
