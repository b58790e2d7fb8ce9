"""The base model of the dialogue task: requests and what careless writers answer."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build, word_tokenizer
from forage.tasks.dialogue import Dialogue
from forage.tasks.dialogue.language import END, PAD, WORDS


@dataclass(frozen=True)
class NoisyTraces(Language):
    """Requests and what careless writers answer."""

    task: Dialogue

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return word_tokenizer(WORDS, end=END, pad=PAD)

    def written(self, amount: int) -> Iterator[Example]:
        token_of = {word: token for token, word in enumerate(WORDS)}
        for prompt, response in self.task.written(amount):
            yield [token_of[word] for word in prompt.split()], [token_of[word] for word in (*response.split(), END)]

    def identity(self) -> Sequence[Any]:
        return [list(self.task.written(100)), WORDS]


@dataclass(frozen=True, kw_only=True)
class DialogueSettings(TinySettings):
    """How the base model of the dialogue task is made."""

    traces: int = 20_000
    steps: int = 400
    layers: int = 2

    @property
    def language(self) -> NoisyTraces:
        return NoisyTraces(Dialogue(seed=self.seed))

    @property
    def world(self) -> str:
        return "dialogue"

    @property
    def label(self) -> str:
        return "base-dialogue"


def build_dialogue_base(out: Path | None = None, *, seed: int = 0, progress: bool = True) -> Path:
    """The directory of the dialogue task's base model, built (in half a minute) unless it exists."""
    return build(DialogueSettings(**{**asdict(DialogueSettings()), "seed": seed}), out, progress=progress)
