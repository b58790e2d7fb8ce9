"""Tiny base models: a small model trained from nothing on what a world's people write.

Reinforcement learning needs a model that already succeeds sometimes and knows more strategies than it uses well. This
builds one in a minute or a few, always the same for the same settings, and keeps it in a cache. A world says which
words there are and what is written with them (`Language`); everything else is the same for all worlds.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn import functional
from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, PreTrainedConfig, PreTrainedTokenizerFast

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.engines.local.model import LocalModel
from forage.ops.logprobs import token_logprobs_and_entropy

RECORD = "base.json"
"""Written last: a directory that holds it is complete."""


Example = tuple[Sequence[int], Sequence[int]]
"""A prompt and the response that somebody wrote to it, as tokens; the response ends with the end token."""


class Language(ABC):
    """The words of a world, and what its people write with them."""

    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """With `eos_token` and `pad_token` set."""

    @abstractmethod
    def written(self, amount: int) -> Iterator[Example]:
        """The first `amount` examples that the base model learns from, always the same."""

    def targets(self, amount: int) -> Tensor | None:
        """(amount, R, V) float32: what each token of those responses might have been, a distribution along its own
        beginning, zeros behind its end. None: the model learns from the tokens that were written.
        """
        return None

    @abstractmethod
    def identity(self) -> Sequence[Any]:
        """JSON that changes when what is written changes: it names the model in the cache."""


@dataclass(frozen=True, kw_only=True)
class TinySettings(ABC):
    """How a base model is made. `steps` optimizer steps of `batch` examples each, over a corpus of `traces`."""

    seed: int = 0
    traces: int = 30_000
    steps: int = 700
    batch: int = 64
    lr: float = 3e-3
    warmup: int = 50
    weight_decay: float = 0.01
    layers: int = 3
    hidden: int = 96
    heads: int = 3
    head_dim: int = 32
    inner: int = 256

    def __post_init__(self) -> None:
        if min(self.traces, self.steps, self.batch, self.layers, self.hidden, self.heads, self.inner) < 1:
            raise ForageError("Every size of a base model (traces, steps, batch, layers, ...) must be at least 1.")
        if self.batch > self.traces:
            raise ForageError(f"A base model cannot take batches of {self.batch} from {self.traces} traces.")

    @property
    @abstractmethod
    def language(self) -> Language: ...

    @property
    @abstractmethod
    def world(self) -> str:
        """Its task, as the command line names it."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Begins the name of its folder in the cache."""

    @property
    def max_tokens(self) -> int | None:
        """The limit of a response in evaluations of the base model, where they name none."""
        return None

    def config(self, *, vocabulary: int, end: int, pad: int) -> PreTrainedConfig:
        """The architecture: a Llama with one head for all keys, unless a world needs another."""
        return LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=self.hidden,
            intermediate_size=self.inner,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=1,
            head_dim=self.head_dim,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=None,
            eos_token_id=end,
            pad_token_id=pad,
            dtype="float32",
        )

    def digest(self) -> str:
        """Names the content: these settings, and a sample of what is written under them."""
        text = json.dumps([asdict(self), *self.language.identity()], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def build(settings: TinySettings, out: Path | None = None, *, progress: bool = True) -> Path:
    """The directory of a base model: an ordinary Hugging Face checkpoint, built unless the cache has it or it is there.

    Without `out` it lies in the cache: `$FORAGE_HOME`, or `~/.cache/forage`. Raises ForageError where `out` holds
    something else.
    """
    digest = settings.digest()
    cached = cache_directory() / f"{settings.label}-{digest}"
    place = cached if out is None else out
    if _is_complete(place, digest):
        return place
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ForageError(
            f"{place} exists and is not this base model. Delete it, or name a directory that does not exist."
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    build_dir = scratch / "base"
    build_dir.mkdir()
    try:
        if _is_complete(cached, digest):
            shutil.copytree(cached, build_dir, dirs_exist_ok=True, ignore=shutil.ignore_patterns("evals"))
        else:
            _make(settings, build_dir, digest, progress=progress)
        try:
            build_dir.rename(place)
        except OSError:
            # Somebody else built the same model meanwhile; theirs is as good.
            if not _is_complete(place, digest):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return place


def cache_directory() -> Path:
    home = os.environ.get("FORAGE_HOME")
    return Path(home) if home else Path.home() / ".cache" / "forage"


def _is_complete(place: Path, digest: str) -> bool:
    try:
        return json.loads((place / RECORD).read_text())["digest"] == digest
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _make(settings: TinySettings, place: Path, digest: str, *, progress: bool) -> None:
    began = time.perf_counter()
    model = untrained(settings)
    language, pad = settings.language, model.tokenizer.get_vocab()[str(model.tokenizer.pad_token)]
    corpus = encode(language.written(settings.traces), pad=pad, targets=language.targets(settings.traces))
    with _bar(settings.steps, shown=progress) as advance:
        losses = _train(model, corpus, settings, advance)
    model.save(place)
    record = {
        "digest": digest,
        "task": settings.world,
        "max_tokens": settings.max_tokens,
        "settings": asdict(settings),
        "parameters": sum(p.numel() for p in model.module.parameters()),
        "loss": [round(sum(part) / len(part), 4) for part in _chunks(losses, 25)],
        "seconds": round(time.perf_counter() - began, 1),
    }
    (place / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def untrained(settings: TinySettings) -> LocalModel:
    """The model with its first weights, in float32, and the tokenizer of its language."""
    tokenizer = settings.language.tokenizer()
    vocabulary = tokenizer.get_vocab()
    end, pad = vocabulary[str(tokenizer.eos_token)], vocabulary[str(tokenizer.pad_token)]
    config = settings.config(vocabulary=len(tokenizer), end=end, pad=pad)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("base weights", settings.seed))
        module = AutoModelForCausalLM.from_config(config)
    module.generation_config = GenerationConfig(do_sample=True, eos_token_id=end, pad_token_id=pad)
    return LocalModel(module, tokenizer)


def word_tokenizer(words: Sequence[str], *, end: str, pad: str) -> PreTrainedTokenizerFast:
    """One token per word, split at white space. There is no unknown token: other text is refused, not silently lost."""
    tokenizer = Tokenizer(models.WordLevel({word: token for token, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken(pad, special=True), AddedToken(end, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token=pad,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def character_tokenizer(characters: str, *, end: str, pad: str) -> PreTrainedTokenizerFast:
    """One token per character, without spaces between them. There is no unknown token."""
    words = (pad, end, *characters)
    tokenizer = Tokenizer(models.WordLevel({word: token for token, word in enumerate(words)}))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(pad, special=True), AddedToken(end, special=True)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token=pad,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


# ------------------------------------------------------------------------------------------------------------ training


@dataclass(frozen=True, slots=True)
class Corpus:
    """N written examples: `tokens` (N, T) int32, prompt, response and padding; `prompts` and `lengths` (N,) int64.

    `targets` (N, R, V), where the responses have R tokens at most, are those of `Language.targets`.
    """

    tokens: Tensor
    prompts: Tensor
    lengths: Tensor
    targets: Tensor | None = None


def encode(written: Iterable[Example], *, pad: int, targets: Tensor | None = None) -> Corpus:
    """Prompt and response of each example, padded to the longest."""
    rows, prompts = [], []
    for prompt, response in written:
        rows.append(torch.tensor((*prompt, *response), dtype=torch.int32))
        prompts.append(len(prompt))
    tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    return Corpus(tokens, torch.tensor(prompts), torch.tensor([len(row) for row in rows]), targets)


def batches(lengths: Tensor, size: int, generator: torch.Generator, *, window: int = 16) -> Iterator[Tensor]:
    """Endless batches of row numbers, (size,) int64, of similar length: little padding, nearly random order.

    Each pass shuffles all rows, sorts windows of `window` batches by length, and shuffles the batches of a window.
    """
    while True:
        order = torch.randperm(len(lengths), generator=generator)
        for part in order[: len(order) // size * size].split(size * window):
            rows = part[lengths[part].argsort(stable=True)].view(-1, size)
            yield from rows[torch.randperm(len(rows), generator=generator)]


def learning_rate(step: int, settings: TinySettings) -> float:
    """Linear warm-up, then a cosine to zero. `step` counts from 0."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))


def _train(model: LocalModel, corpus: Corpus, settings: TinySettings, advance: Callable[[float], None]) -> list[float]:
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.lr, betas=(0.9, 0.98), weight_decay=settings.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(derive_seed("base order", settings.seed))
    losses: list[float] = []
    for step, rows in enumerate(islice(batches(corpus.lengths, settings.batch, generator), settings.steps)):
        loss = _loss(model, corpus, rows)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        optimizer.step()
        losses.append(float(loss.detach()))
        advance(losses[-1])
    return losses


def _loss(model: LocalModel, corpus: Corpus, rows: Tensor) -> Tensor:
    """Mean negative log-likelihood per response token, in nats: of what was written, or on average over the targets."""
    lengths = corpus.lengths[rows]
    width = int(lengths.max())
    tokens = corpus.tokens[rows, :width].long()
    position = torch.arange(1, width)
    response = (position >= corpus.prompts[rows, None]) & (position < lengths[:, None])
    head = model.head
    if corpus.targets is not None:
        targets = corpus.targets[rows]
        targets = targets[targets.sum(-1) > 0]
        logits = head.logits(model.hidden(tokens[:, :-1])[response])
        return functional.cross_entropy(logits, targets)
    logprob, _ = token_logprobs_and_entropy(
        model.hidden(tokens[:, :-1])[response],
        head.weight,
        tokens[:, 1:][response],
        temperature=1.0,
        chunk=1 << 16,
        bias=head.bias,
        softcap=head.softcap,
        scale=head.scale,
    )
    return -logprob.mean()


@contextmanager
def _bar(total: int, *, shown: bool) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error; what it yields is called with the loss after each step."""
    columns = (TextColumn("base model"), BarColumn(), TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as progress:
        bar = progress.add_task("", total=total, loss=math.nan)
        yield lambda loss: progress.update(bar, advance=1, loss=loss)


def _chunks(values: list[float], size: int) -> list[list[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]
