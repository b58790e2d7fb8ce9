"""The base model of the tiny code task: it learned from programs that a careless programmer wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build
from forage.tasks.code import TinyCode
from forage.tasks.code.language import END, PAD, TOKEN_OF, WORDS, build_tokenizer


@dataclass(frozen=True)
class WrittenPrograms(Language):
    """What is written in a code task."""

    task: TinyCode

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return PreTrainedTokenizerFast(
            tokenizer_object=build_tokenizer(),
            eos_token=END,
            pad_token=PAD,
            model_max_length=512,
            clean_up_tokenization_spaces=False,
        )

    def written(self, amount: int) -> Iterator[Example]:
        for prompt, program in self.task.programs(amount):
            yield [TOKEN_OF[word] for word in prompt], [TOKEN_OF[word] for word in program]

    def identity(self) -> Sequence[Any]:
        return [list(self.task.programs(100)), WORDS]


@dataclass(frozen=True, kw_only=True)
class CodeBase(TinySettings):
    """How a base model of the code task is made."""

    lines: int = 2
    traces: int = 64_000
    steps: int = 1000

    @property
    def language(self) -> WrittenPrograms:
        return WrittenPrograms(TinyCode(lines=self.lines, seed=self.seed))

    @property
    def world(self) -> str:
        return f"code:lines={self.lines}"

    @property
    def label(self) -> str:
        return f"base-code-{self.lines}-lines"


def build_code_base(out: Path | None = None, *, lines: int = 2, seed: int = 0, progress: bool = True) -> Path:
    """The directory of the base model for functions of so many lines, built unless it exists."""
    return build(CodeBase(lines=lines, seed=seed), out, progress=progress)
