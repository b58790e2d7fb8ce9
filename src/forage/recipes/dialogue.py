"""The preference world as a recipe: answer requests as the listeners like it, learning from a reward model."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Unpack

from transformers import PreTrainedTokenizerFast

from forage.base_models.tiny_model import Example, Language, TinySettings, build, word_tokenizer
from forage.recipes.compose import compose, recipe
from forage.recipes.settings import TINY, Settings
from forage.tasks.dialogue import Dialogue
from forage.tasks.dialogue.language import END, PAD, WORDS
from forage.training.recipe import Recipe


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
    """How the base model of the dialogue world is made."""

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
    """The directory of the dialogue world's base model, built (in half a minute) unless it exists."""
    return build(DialogueSettings(**{**asdict(DialogueSettings()), "seed": seed}), out, progress=progress)


OWN: Settings = {
    **TINY,
    "steps": 60,  # the tiny model has learned by then
    "max_tokens": 64,  # the longest answer that the listeners like
    "lr": 5e-4,  # a tiny model
}


@recipe(OWN)
def dialogue(**settings: Unpack[Settings]) -> Recipe:
    """Dialogue: greet, comfort and help somebody, where what they like is known by comparisons only.

    Give `--method reward_model:model=FOLDER` (from `forage rm train`): without it the hidden utility itself is the
    reward, which is the upper bound that a reward model can be compared with. `correct` in the metrics, and
    `forage eval`, always ask the hidden utility.

    Args:
    """
    return compose(name="dialogue", task=Dialogue(), settings=settings, base=build_dialogue_base)
