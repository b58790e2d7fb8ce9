"""The lab's base model: a small Llama trained from nothing on written Countdown traces.

Reinforcement learning needs a model that already succeeds sometimes and knows more strategies than it uses well. This
builds one in about a minute, always the same for the same settings, and keeps it in a cache.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forage.engines.local.model import LocalModel
from forage.errors import ForageError
from forage.ops.logprobs import token_logprobs_and_entropy
from forage.seeds import derive_seed
from forage.tasks.countdown import Countdown
from forage.tasks.countdown.grammar import END, PAD, PROMPT_WORDS, WORDS, prompt_of
from forage.tasks.countdown.tokenizer import TOKEN_OF, build_tokenizer
from forage.tasks.countdown.traces import Trace

Size = Literal["demo", "experiment"]

RECORD = "base.json"
"""Written last: a directory that holds it is complete."""


@dataclass(frozen=True, kw_only=True)
class BaseSettings:
    """How a base model is made. `steps` optimiser steps of `batch` traces each, over a corpus of `traces`."""

    size: Size = "demo"
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
    def task(self) -> Countdown:
        return Countdown(size=self.size, seed=self.seed)

    def digest(self) -> str:
        """Names the content: these settings, and a sample of what the traces say under them."""
        sample = [(prompt_of(trace.puzzle), trace.words) for trace in self.task.traces(100)]
        text = json.dumps([asdict(self), sample, WORDS], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


SIZES: dict[Size, BaseSettings] = {
    "demo": BaseSettings(),
    "experiment": BaseSettings(size="experiment", traces=80_000, steps=900, batch=128, layers=4),
}


def build_base(out: Path | None = None, *, size: Size = "demo", seed: int = 0, progress: bool = True) -> Path:
    """The directory of the base model of a size: an ordinary Hugging Face checkpoint, built unless it exists.

    Without `out` it lies in the cache: `$FORAGE_HOME`, or `~/.cache/forage`. `seed` selects traces, initial weights
    and order. Raises ForageError where `out` holds something else.
    """
    if size not in SIZES:
        raise ForageError(f"The base model has the sizes 'demo' and 'experiment', not {size!r}.")
    settings = BaseSettings(**{**asdict(SIZES[size]), "seed": seed})
    return build(settings, out, progress=progress)


def build(settings: BaseSettings, out: Path | None = None, *, progress: bool = True) -> Path:
    """`build_base` for any settings."""
    digest = settings.digest()
    place = out if out is not None else cache_directory() / f"base-{settings.size}-{digest}"
    if _is_complete(place, digest):
        return place
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ForageError(
            f"{place} exists and is not this base model. Delete it, or name a directory that does not exist."
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    workshop = scratch / "base"
    workshop.mkdir()
    try:
        _make(settings, workshop, digest, progress=progress)
        try:
            workshop.rename(place)
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


def _make(settings: BaseSettings, place: Path, digest: str, *, progress: bool) -> None:
    began = time.perf_counter()
    model = untrained(settings)
    corpus = encode(settings.task.traces(settings.traces))
    with _bar(settings.steps, shown=progress) as advance:
        losses = _train(model, corpus, settings, advance)
    model.save(place)
    record = {
        "digest": digest,
        "settings": asdict(settings),
        "parameters": sum(p.numel() for p in model.module.parameters()),
        "loss": [round(sum(part) / len(part), 4) for part in _chunks(losses, 25)],
        "seconds": round(time.perf_counter() - began, 1),
    }
    (place / RECORD).write_text(json.dumps(record, indent=1) + "\n")


def untrained(settings: BaseSettings) -> LocalModel:
    """The model with its first weights, in float32, and the tokenizer of the Countdown language."""
    end, pad = TOKEN_OF[END], TOKEN_OF[PAD]
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=settings.hidden,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=1,
        head_dim=settings.head_dim,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("base weights", settings.seed))
        module = LlamaForCausalLM(config)
    module.generation_config = GenerationConfig(do_sample=True, eos_token_id=end, pad_token_id=pad)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=build_tokenizer(),
        eos_token=END,
        pad_token=PAD,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
    return LocalModel(module, tokenizer)


# ------------------------------------------------------------------------------------------------------------ training


@dataclass(frozen=True, slots=True)
class Corpus:
    """N written traces: `tokens` (N, T) uint8, prompt, response and padding; `lengths` (N,) int64."""

    tokens: Tensor
    lengths: Tensor


def encode(traces: Iterator[Trace]) -> Corpus:
    """Prompt and response of each trace as tokens, padded to the longest."""
    rows = [[TOKEN_OF[word] for word in (*prompt_of(t.puzzle).split(), *t.words)] for t in traces]
    lengths = torch.tensor([len(row) for row in rows])
    width, pad = int(lengths.max()), TOKEN_OF[PAD]
    padded = b"".join(bytes(row) + bytes([pad]) * (width - len(row)) for row in rows)
    return Corpus(torch.frombuffer(bytearray(padded), dtype=torch.uint8).view(len(rows), width), lengths)


def batches(lengths: Tensor, size: int, generator: torch.Generator, *, window: int = 16) -> Iterator[Tensor]:
    """Endless batches of row numbers, (size,) int64, of similar length: little padding, nearly random order.

    Each pass shuffles all rows, sorts windows of `window` batches by length, and shuffles the batches of a window.
    """
    while True:
        order = torch.randperm(len(lengths), generator=generator)
        for part in order[: len(order) // size * size].split(size * window):
            rows = part[lengths[part].argsort(stable=True)].view(-1, size)
            yield from rows[torch.randperm(len(rows), generator=generator)]


def learning_rate(step: int, settings: BaseSettings) -> float:
    """Linear warm-up, then a cosine to zero. `step` counts from 0."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * done))


def _train(model: LocalModel, corpus: Corpus, settings: BaseSettings, advance: Callable[[float], None]) -> list[float]:
    parameters = [p for p in model.module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        parameters, lr=settings.lr, betas=(0.9, 0.98), weight_decay=settings.weight_decay, fused=True
    )
    generator = torch.Generator().manual_seed(derive_seed("base order", settings.seed))
    losses: list[float] = []
    for step, rows in enumerate(islice(batches(corpus.lengths, settings.batch, generator), settings.steps)):
        loss = _loss(model, corpus, rows)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, settings)
        optimiser.step()
        losses.append(float(loss.detach()))
        advance(losses[-1])
    return losses


def _loss(model: LocalModel, corpus: Corpus, rows: Tensor) -> Tensor:
    """Mean negative log-likelihood per response token, in nats."""
    lengths = corpus.lengths[rows]
    width = int(lengths.max())
    tokens = corpus.tokens[rows, :width].long()
    position = torch.arange(1, width)
    response = (position >= PROMPT_WORDS) & (position < lengths[:, None])
    head = model.head
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
