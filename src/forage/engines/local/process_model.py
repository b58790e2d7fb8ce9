"""A process reward model: any causal model, asked behind every step whether the step is good.

A solution is laid out as the question, then each step followed by the step tag, put in as a token and never as text
that a tokenizer could join to its neighbors. At every tag a head gives two logits, good and bad (arXiv 2412.11006):
the score of the step is the softmax of the two. One function lays solutions out, for training and for scoring, so the
position that is trained is the position that is scored.

Axes: N step tags, V vocabulary, d width.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import OnProgress
from forage.engines.local.adapters import has_adapter
from forage.engines.local.codec import LocalCodec
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import micro_batches
from forage.engines.local.step_heads import HEAD_KINDS, HeadKind, ScalarHead, StepHead, TwoTokenHead, load_head

RECORD = "process_model.json"
"""Beside the weights of a process model: which tokens mean what, and how it was trained."""

FORMAT = "forage process model 1"
WORDS = {"tag": (" ки", "ки"), "good": (" +", "+"), "bad": (" -", "-")}
"""Texts of the published models, taken where the tokenizer reads one as a single token."""

MICRO_TOKENS = 2048
"""Padded tokens of one scoring pass: few enough to stay in a CPU's cache, which was 1.4 times as fast as 16,384."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A solution as the model reads it: `tags` are the positions of the step tags in `tokens`, one for every step."""

    tokens: tuple[int, ...]
    tags: tuple[int, ...]


class ProcessModel:
    """A local model, the token that stands behind every step, and the head that is asked there."""

    def __init__(self, model: LocalModel, *, tag: int, head: StepHead, about: dict[str, Any] | None = None) -> None:
        if tag in head.tokens.values() or len(set(head.tokens.values())) < len(head.tokens):
            raise ForageError(f"The step tag and the words of the head must be different tokens: {tag}, {head.tokens}.")
        self.model, self.tag, self.head = model, tag, head
        self.about = about or {}
        self._codec = LocalCodec(model.tokenizer)

    @classmethod
    def from_causal(cls, model: LocalModel, *, head: HeadKind = "two-token") -> "ProcessModel":
        """A process model that is not trained yet. Tokens that the tokenizer lacks are added to it and to the model.

        New tokens begin as the mean of all others. Changes `model` in place. Raises ForageError for an unknown head
        and for a model with an adapter: its checkpoint would leave the new tokens out.
        """
        if head not in HEAD_KINDS:
            raise ForageError(f"The head is {' or '.join(HEAD_KINDS)}, not {head!r}.")
        if has_adapter(model.module):
            raise ForageError("A process model cannot begin as an adapter: `forage export --merge` it first.")
        names = list(WORDS) if head == "two-token" else ["tag"]
        ids = {name: _single(model, WORDS[name]) for name in names}
        for name in [name for name, number in ids.items() if number is None or list(ids.values()).count(number) > 1]:
            model.tokenizer.add_tokens([f"<step-{name}>"], special_tokens=True)
            ids[name] = int(model.tokenizer.convert_tokens_to_ids(f"<step-{name}>"))  # pyright: ignore[reportArgumentType]
        _make_room(model, len(model.tokenizer))
        tokens = {name: int(number) for name, number in ids.items() if number is not None}
        made = TwoTokenHead(tokens["good"], tokens["bad"]) if head == "two-token" else ScalarHead.new(model)
        return cls(model, tag=tokens["tag"], head=made)

    @classmethod
    def load(cls, path: Path, *, dtype: str = "float32", device: str = "cpu") -> "ProcessModel":
        """Loads what `save` wrote. Raises ForageError where the folder is no process model."""
        record = read_record(path)
        model = LocalModel.load(path, dtype=dtype, device=device)
        head = load_head(record.get("head", TwoTokenHead.kind), path, model, record["tokens"])
        return cls(model, tag=int(record["tokens"]["tag"]), head=head, about=record["about"])

    def save(self, directory: Path) -> None:
        """An ordinary Hugging Face checkpoint; beside it the head, and a record of the tokens and of `about`."""
        self.model.save(directory)
        self.head.save(directory)
        tokens = {"tag": self.tag, **self.head.tokens}
        record = {"format": FORMAT, "head": self.head.kind, "tokens": tokens, "about": self.about}
        (directory / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False))

    @property
    def parameters(self) -> list[Tensor]:
        """What training moves, always in the same order."""
        return [p for p in (*self.model.module.parameters(), *self.head.parameters) if p.requires_grad]

    def encode(self, prompt: str, steps: Sequence[str]) -> Encoded:
        """The tokens of a solution with a tag behind every step. Raises ForageError for text it cannot read."""
        tokens, tags = self._prompt(prompt), []
        for step in steps:
            tokens += self._encode(step)
            tags.append(len(tokens))
            tokens.append(self.tag)
        return Encoded(tuple(tokens), tuple(tags))

    def pieces(self, text: str) -> tuple[str, ...]:
        """A response token by token, for a task that finds the steps in it."""
        return self._codec.pieces(self._encode(text))

    def decode(self, tokens: Sequence[int]) -> str:
        return self._codec.decode(tokens)

    def pieces_of(self, tokens: Sequence[int]) -> tuple[str, ...]:
        """The text of each token of a response, read by this model's own tokenizer."""
        return self._codec.pieces(tokens)

    def logits(self, solutions: Sequence[Encoded]) -> Tensor:
        """(N, 2) float32: the logits of good and bad at every tag of every solution, in order; differentiable."""
        width = max(len(solution.tokens) for solution in solutions)
        tokens = torch.zeros((len(solutions), width), dtype=torch.int64)
        for row, solution in enumerate(solutions):
            tokens[row, : len(solution.tokens)] = torch.tensor(solution.tokens)
        rows = [row for row, solution in enumerate(solutions) for _ in solution.tags]
        places = [place for solution in solutions for place in solution.tags]
        hidden = self.model.hidden(tokens.to(self.model.device))[rows, places]
        return self.head.logits(self.model, hidden)

    @torch.no_grad()
    def score(self, solutions: Sequence[Encoded], on_progress: OnProgress | None = None) -> list[tuple[float, ...]]:
        """The score of every step of every solution, in [0, 1]; an empty tuple for a solution without steps."""
        scores: list[tuple[float, ...]] = [()] * len(solutions)
        done = 0
        for index in batches(solutions, MICRO_TOKENS):
            chunk = [solutions[row] for row in index]
            good = self.logits(chunk).softmax(dim=-1)[:, 0].cpu().tolist()
            for row, solution in zip(index, chunk, strict=True):
                scores[row], good = tuple(good[: len(solution.tags)]), good[len(solution.tags) :]
            done += len(index)
            if on_progress is not None:
                on_progress(done, len(solutions), "solutions scored")
        return scores

    def scores(
        self, solutions: Sequence[tuple[str, Sequence[str]]], on_progress: OnProgress | None = None
    ) -> list[tuple[float, ...]]:
        """The score of every step of every (question, texts of the steps), as `score` gives it."""
        return self.score([self.encode(prompt, steps) for prompt, steps in solutions], on_progress)

    def _prompt(self, prompt: str) -> list[int]:
        if not prompt:
            return []
        return list(self._guard(lambda: self._codec.encode_prompt(prompt), prompt))

    def _encode(self, text: str) -> list[int]:
        return self._guard(lambda: list(self.model.tokenizer(text, add_special_tokens=False)["input_ids"]), text)  # pyright: ignore[reportArgumentType]

    def _guard(self, encode: Any, text: str) -> Any:
        try:
            return encode()
        except ForageError:
            raise
        except Exception as error:  # tokenizers raises bare exceptions
            raise ForageError(f"The process model's tokenizer cannot read {text[:60]!r}: {error}.") from error


def batches(solutions: Sequence[Encoded], tokens: int) -> Iterator[list[int]]:
    """Rows of similar length with at most `tokens` padded tokens together; rows without a tag are in none."""
    tagged = [row for row, solution in enumerate(solutions) if solution.tags]
    lengths = torch.tensor([len(solutions[row].tokens) for row in tagged], dtype=torch.int64)
    for index, _ in micro_batches(lengths, tokens):
        yield [tagged[place] for place in index.tolist()]


def read_record(path: Path) -> dict[str, Any]:
    """The record of a process model. Raises ForageError, saying how to make one, where there is none."""
    try:
        record = json.loads((path / RECORD).read_bytes())
        known = record["format"] == FORMAT and set(record["tokens"]) in (set(WORDS), {"tag"})
        if not (known and isinstance(record["about"], dict)):
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
        except Exception:  # a word-level tokenizer without an unknown token refuses unknown words
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
