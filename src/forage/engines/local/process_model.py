"""A process reward model: any causal model, asked behind every step whether the step is good.

A solution is laid out as the question, then each step followed by the step tag. At every tag the logits of two tokens,
good and bad, are compared (arXiv 2412.11006): the score of the step is the softmax of the two. One function lays
solutions out, for training and for scoring, so the position that is trained is the position that is scored.

Axes: N step tags, V vocabulary, d width.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import micro_batches
from forage.errors import ForageError
from forage.records import Problem

RECORD = "process_model.json"
"""Beside the weights of a process model: which tokens mean what, and how it was trained."""

FORMAT = "forage process model 1"
WORDS = {"tag": (" ки", "ки"), "good": (" +", "+"), "bad": (" -", "-")}
"""Texts of the published models, taken where the tokenizer reads one as a single token."""

MICRO_TOKENS = 16_384


@dataclass(frozen=True, slots=True)
class Laid:
    """A solution as the model reads it: `tags` are the positions of the step tags in `tokens`, one for every step."""

    tokens: tuple[int, ...]
    tags: tuple[int, ...]


class ProcessModel:
    """A local model and the three tokens that make it a process reward model."""

    def __init__(
        self, model: LocalModel, *, tag: int, good: int, bad: int, about: dict[str, Any] | None = None
    ) -> None:
        if len({tag, good, bad}) != 3:
            raise ForageError(f"Step tag, good and bad must be three tokens, not {tag}, {good} and {bad}.")
        self.model, self.tag, self.good, self.bad = model, tag, good, bad
        self.about = about or {}
        self._codec = LocalCodec(model.tokenizer)

    @classmethod
    def from_causal(cls, model: LocalModel) -> "ProcessModel":
        """A process model that is not trained yet. Tokens that the tokenizer lacks are added to it and to the model.

        New tokens begin as the mean of all others. Changes `model` in place.
        """
        ids = {name: _single(model, texts) for name, texts in WORDS.items()}
        for name in [name for name, number in ids.items() if number is None or list(ids.values()).count(number) > 1]:
            model.tokenizer.add_tokens([f"<step-{name}>"], special_tokens=True)
            ids[name] = int(model.tokenizer.convert_tokens_to_ids(f"<step-{name}>"))  # pyright: ignore[reportArgumentType]
        _make_room(model, len(model.tokenizer))
        tag, good, bad = (int(number) for number in ids.values() if number is not None)
        return cls(model, tag=tag, good=good, bad=bad)

    @classmethod
    def load(cls, path: Path, *, dtype: str = "float32", device: str = "cpu") -> "ProcessModel":
        """Loads what `save` wrote. Raises ForageError where the folder is no process model."""
        record = read_record(path)
        tag, good, bad = (int(record["tokens"][name]) for name in WORDS)
        return cls(
            LocalModel.load(path, dtype=dtype, device=device), tag=tag, good=good, bad=bad, about=record["about"]
        )

    def save(self, directory: Path) -> None:
        """An ordinary Hugging Face checkpoint, with a record of the tokens and of `about` beside it."""
        self.model.save(directory)
        tokens = {"tag": self.tag, "good": self.good, "bad": self.bad}
        record = {"format": FORMAT, "tokens": tokens, "about": self.about}
        (directory / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False))

    def lay(self, prompt: str, steps: Sequence[str]) -> Laid:
        """The tokens of a solution with a tag behind every step. Raises ForageError for text it cannot read."""
        tokens, tags = self._prompt(prompt), []
        for step in steps:
            tokens += self._encode(step)
            tags.append(len(tokens))
            tokens.append(self.tag)
        return Laid(tuple(tokens), tuple(tags))

    def pieces(self, text: str) -> tuple[str, ...]:
        """A response token by token, for a task that finds the steps in it."""
        return self._codec.pieces(self._encode(text))

    def decode(self, tokens: Sequence[int]) -> str:
        return self._codec.decode(tokens)

    def pieces_of(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """The text of each token of a response, read by this model's own tokenizer."""
        return self._codec.pieces(tokens)

    def logits(self, solutions: Sequence[Laid]) -> Tensor:
        """(N, 2) float32: the logits of good and bad at every tag of every solution, in order; differentiable."""
        width = max(len(solution.tokens) for solution in solutions)
        tokens = torch.zeros((len(solutions), width), dtype=torch.int64)
        for row, solution in enumerate(solutions):
            tokens[row, : len(solution.tokens)] = torch.tensor(solution.tokens)
        rows = [row for row, solution in enumerate(solutions) for _ in solution.tags]
        places = [place for solution in solutions for place in solution.tags]
        hidden = self.model.hidden(tokens.to(self.model.device))[rows, places]
        head, pair = self.model.head, [self.good, self.bad]
        bias = None if head.bias is None else head.bias[pair]
        return replace(head, weight=head.weight[pair], bias=bias).logits(hidden)

    @torch.no_grad()
    def score(self, solutions: Sequence[Laid]) -> list[tuple[float, ...]]:
        """The score of every step of every solution, in [0, 1]; an empty tuple for a solution without steps."""
        found: list[tuple[float, ...]] = [()] * len(solutions)
        for index in batches(solutions, MICRO_TOKENS):
            some = [solutions[row] for row in index]
            good = self.logits(some).softmax(dim=-1)[:, 0].cpu().tolist()
            for row, solution in zip(index, some, strict=True):
                found[row], good = tuple(good[: len(solution.tags)]), good[len(solution.tags) :]
        return found

    def scores(self, solutions: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[float, ...]]:
        """The score of every step of every (question, texts of the steps), as `score` gives it."""
        return self.score([self.lay(prompt, steps) for prompt, steps in solutions])

    def _prompt(self, prompt: str) -> list[int]:
        if not prompt:
            return []
        return list(self._guard(lambda: self._codec.prompt(Problem(id="", prompt=prompt, answer="", task="")), prompt))

    def _encode(self, text: str) -> list[int]:
        return self._guard(lambda: list(self.model.tokenizer(text, add_special_tokens=False)["input_ids"]), text)  # pyright: ignore[reportArgumentType]

    def _guard(self, encode: Any, text: str) -> Any:
        try:
            return encode()
        except ForageError:
            raise
        except Exception as error:  # tokenizers raises bare exceptions
            raise ForageError(f"The process model's tokenizer cannot read {text[:60]!r}: {error}.") from error


def batches(solutions: Sequence[Laid], tokens: int) -> Iterator[list[int]]:
    """Rows of similar length with at most `tokens` padded tokens together; rows without a tag are in none."""
    tagged = [row for row, solution in enumerate(solutions) if solution.tags]
    lengths = torch.tensor([len(solutions[row].tokens) for row in tagged], dtype=torch.int64)
    for index, _ in micro_batches(lengths, tokens):
        yield [tagged[place] for place in index.tolist()]


def read_record(path: Path) -> dict[str, Any]:
    """The record of a process model. Raises ForageError, saying how to make one, where there is none."""
    try:
        record = json.loads((path / RECORD).read_bytes())
        if record["format"] != FORMAT or set(record["tokens"]) != set(WORDS) or not isinstance(record["about"], dict):
            raise ValueError("it says something else")
    except OSError as error:
        raise ForageError(
            f"{path} is no process reward model ({RECORD} is missing): make one with `forage prm train`."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ForageError(f"{path / RECORD} is damaged: {error}.") from error
    return record


def _single(model: LocalModel, texts: Sequence[str]) -> int | None:
    """The one token that is one of `texts`, or None: not two tokens, and not the unknown one."""
    for text in texts:
        try:
            ids = model.tokenizer(text, add_special_tokens=False)["input_ids"]
        except Exception:  # a word-level tokenizer without an unknown token refuses foreign words
            continue
        if isinstance(ids, list) and len(ids) == 1 and ids[0] != model.tokenizer.unk_token_id:
            return int(ids[0])
    return None


@torch.no_grad()
def _make_room(model: LocalModel, size: int) -> None:
    """Embeddings for `size` tokens; new ones begin as the mean of the old ones."""
    module: Any = model.module
    before = module.get_input_embeddings().weight.shape[0]
    if size <= before:
        return
    module.resize_token_embeddings(size, mean_resizing=False)
    for layer in (module.get_input_embeddings(), module.get_output_embeddings()):
        layer.weight[before:] = layer.weight[:before].mean(dim=0)
        if getattr(layer, "bias", None) is not None:
            layer.bias[before:] = layer.bias[:before].mean()
