"""The base model of Countdown: a tiny model that learned from written Countdown traces."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build, word_tokenizer
from forage.core.errors import ForageError
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import END, PAD, WORDS, prompt_of

Size = Literal["demo", "experiment"]


@dataclass(frozen=True)
class CountdownTraces(Language):
    """What the writers of a Countdown task write."""

    task: Countdown

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return word_tokenizer(WORDS, end=END, pad=PAD)

    def written(self, amount: int) -> Iterator[Example]:
        token_of = {word: token for token, word in enumerate(WORDS)}
        for trace in self.task.traces(amount):
            prompt = [token_of[word] for word in prompt_of(trace.puzzle).split()]
            yield prompt, [token_of[word] for word in trace.words]

    def identity(self) -> Sequence[Any]:
        return [[(prompt_of(trace.puzzle), trace.words) for trace in self.task.traces(100)], WORDS]


@dataclass(frozen=True, kw_only=True)
class BaseSettings(TinySettings):
    """How a base model of Countdown is made."""

    size: Size = "demo"

    @property
    def language(self) -> CountdownTraces:
        return CountdownTraces(Countdown(size=self.size, seed=self.seed))

    @property
    def world(self) -> str:
        return f"countdown:size={self.size}"

    @property
    def label(self) -> str:
        return f"base-{self.size}"


SIZES: dict[Size, BaseSettings] = {
    "demo": BaseSettings(),
    "experiment": BaseSettings(size="experiment", traces=80_000, steps=900, batch=128, layers=4),
}


def build_base(out: Path | None = None, *, size: Size = "demo", seed: int = 0, progress: bool = True) -> Path:
    """The directory of the base model of a size, built unless it exists: `forage.base_models.tiny_model.build`.

    `seed` selects traces, initial weights and order. Raises ForageError where `out` holds something else.
    """
    if size not in SIZES:
        raise ForageError(f"The base model has the sizes 'demo' and 'experiment', not {size!r}.")
    return build(BaseSettings(**{**asdict(SIZES[size]), "seed": seed}), out, progress=progress)
