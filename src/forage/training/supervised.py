"""Supervised training: a causal model learns given responses to given prompts.

Before reinforcement learning it teaches the form of answers; after it, a policy is carried over to other problems.
"""

import json
import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from forage.core.demonstrations import Demonstration, collate_demonstrations
from forage.core.errors import ForageError
from forage.core.protocols import Codec
from forage.core.records import Problem
from forage.core.seeds import derive_seed
from forage.engines.local.codec import LocalCodec
from forage.engines.local.engine import LocalEngine
from forage.engines.local.new_tokens import add_tokens
from forage.engines.local.placement import micro_batches
from forage.engines.local.policy import LocalPolicy
from forage.engines.optimization import Optimization, shuffled_batches
from forage.engines.out_of_memory import explain_out_of_memory
from forage.evaluation.fingerprint import fingerprint
from forage.training.checkpoints import find_checkpoint
from forage.training.examples import Example, Examples, digest_of
from forage.training.fit import Checkpointing, FitSettings, OnUpdate, Updates, is_held_out, require_examples
from forage.training.resumable import resumable

RECORD = "supervised.json"
"""Beside the weights: how they were trained."""

LARGE, HIGH = 50_000_000, 1e-4
"""A model with more weights that learn is warned of a higher learning rate: it forgets what it could."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedTraining(FitSettings):
    """How a model learns from examples. The loss is a mean over the learned tokens of an optimizer step.

    A response is learned from the first `learn_from` in it on: what stands before is read and not learned; a response
    without that text is learned whole. `new_tokens` become tokens of their own before training. `placebo` is the
    control: every prompt has the response of another.
    """

    epochs: int = 1
    batch: int = 8
    learn_from: str = ""
    new_tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedExample:
    """An example in tokens: what the model reads, how the response begins, and what is learned of it."""

    prompt: tuple[int, ...]
    prefix: tuple[int, ...]
    learned: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.prefix) + len(self.learned)


@dataclass(frozen=True, slots=True)
class SplitExamples:
    """Examples to train on, examples held out, and a sentence for each that can be neither."""

    training: tuple[EncodedExample, ...]
    held: tuple[EncodedExample, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedOutcome:
    """What training did. `loss` is the last optimizer step's and `held_loss` that of the held-out examples, in nats per
    learned token; NaN without any."""

    examples: int
    tokens: int
    updates: int
    loss: float
    held: int
    held_loss: float
    rejected: tuple[str, ...]


def train_checkpoint(
    path: Path,
    *,
    examples: Examples,
    out: Path,
    settings: SupervisedTraining | None = None,
    engine: LocalEngine | None = None,
    checkpoint_every: int = 100,
    on_update: OnUpdate | None = None,
) -> SupervisedOutcome:
    """Trains the causal model at `path` (a run, a checkpoint or a model folder) on examples, and writes it to `out`.

    `out` must be new; it becomes an ordinary Hugging Face folder, that of an adapter where `engine` asks for one.
    Weights are trained in float32. Interrupted or killed, the same call continues from its last checkpoint (every
    `checkpoint_every` updates) in `OUT-unfinished`, with the same bits.

    Raises ForageError where no example can be used, and where a loss is not finite.
    """
    settings, engine = settings or SupervisedTraining(), engine or LocalEngine()
    _check_engine(engine, settings)
    checkpoint = find_checkpoint(path)
    asked = {"settings": asdict(settings), "model": fingerprint(checkpoint.weights), "device": engine.device}
    asked |= {"adapter": asdict(engine.adapter) if engine.adapter else None, "examples": digest_of(examples.examples)}

    def begin() -> LocalPolicy:
        policy = _opened(engine, checkpoint.weights, settings)
        add_tokens(policy.model, settings.new_tokens)
        return policy

    advice = "Give fewer tokens a pass (`micro_tokens`), gradient_checkpointing, or an adapter."
    with (
        explain_out_of_memory(advice),
        resumable(out, asked, every=checkpoint_every) as work,
    ):
        policy, checkpointing = work.open(begin, lambda saved: _opened(engine, saved, settings))
        outcome = train_on_examples(
            policy, examples.examples, settings, checkpointing=checkpointing, on_update=on_update
        )
        about = {
            "began_as": checkpoint.label,
            **asked,
            "learned": asdict(outcome) | {"rejected": len(outcome.rejected)},
        }
        with work.finished() as directory:
            policy.save(directory)
            (directory / RECORD).write_text(json.dumps(about, indent=1) + "\n")
    return outcome


def train_on_examples(
    policy: LocalPolicy,
    examples: Sequence[Example],
    settings: SupervisedTraining,
    *,
    checkpointing: Checkpointing | None = None,
    on_update: OnUpdate | None = None,
) -> SupervisedOutcome:
    """Trains `policy` in place. The same seed, examples and threads give the same bits, wherever it is interrupted.

    Raises ForageError where no example can be used, or where a loss is not finite (the model is then to be thrown
    away).
    """
    prepared = prepare(policy, examples, settings)
    kept, held = len(prepared.training), len(prepared.held)
    require_examples(kept, held, prepared.rejected, what="examples can be learned", settings=settings)
    training = dealt_anew(prepared.training, seed=settings.seed) if settings.placebo else prepared.training
    batches = [
        rows
        for epoch in range(settings.epochs)
        for rows in shuffled_batches(len(training), settings.batch, epoch=epoch, seed=settings.seed)
    ]
    checkpointing = checkpointing or Checkpointing()
    parameters = [parameter for parameter in policy.model.module.parameters() if parameter.requires_grad]
    if settings.lr > HIGH and (learning := sum(each.numel() for each in parameters)) > LARGE:
        warnings.warn(
            f"A learning rate of {settings.lr:g} is for tiny models; {learning / 1e6:.0f} million weights learn here. "
            "2e-5 to 5e-5 is usual.",
            stacklevel=2,
        )
    updates = Updates(
        parameters,
        batches,
        lambda _, rows: _backward(policy, [training[row] for row in rows], settings.micro_tokens),
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        begin=checkpointing.begin,
        on_update=on_update,
    )
    updates.run(checkpointing)
    return SupervisedOutcome(
        examples=len(training),
        tokens=settings.epochs * sum(len(each.learned) for each in training),
        updates=updates.done,
        loss=updates.loss,
        held=held,
        held_loss=mean_loss(policy, prepared.held, settings.micro_tokens),
        rejected=prepared.rejected,
    )


def prepare(policy: LocalPolicy, examples: Iterable[Example], settings: SupervisedTraining) -> SplitExamples:
    """Lays all examples out. One whose response does not fit into `max_tokens` is rejected, not cut."""
    codec = LocalCodec(policy.model.tokenizer)
    training: list[EncodedExample] = []
    held: list[EncodedExample] = []
    rejected: list[str] = []
    for example in examples:
        try:
            encoded = encode(codec, example, stops=policy.model.stop_ids, learn_from=settings.learn_from)
        except ForageError as error:
            rejected.append(f"{example.source}: {error}")
            continue
        size = len(encoded.prefix) + len(encoded.learned)
        if size > settings.max_tokens:
            rejected.append(f"{example.source}: its response has {size} tokens, more than {settings.max_tokens}.")
            continue
        (held if is_held_out(example.prompt, settings.held_out) else training).append(encoded)
    return SplitExamples(tuple(training), tuple(held), tuple(rejected))


def encode(codec: Codec, example: Example, *, stops: Sequence[int], learn_from: str = "") -> EncodedExample:
    """The example in tokens; the response is closed by the first of `stops`.

    Raises ForageError for text that the tokenizer cannot read.
    """
    at = max(0, example.response.find(learn_from)) if learn_from else 0
    problem = Problem(id=example.source, prompt=example.prompt, answer="", task="examples")
    return EncodedExample(
        prompt=codec.prompt(problem),
        prefix=codec.encode(example.response[:at]) if at else (),
        learned=(*codec.encode(example.response[at:]), *stops[:1]),
    )


def dealt_anew(examples: Sequence[EncodedExample], *, seed: int) -> tuple[EncodedExample, ...]:
    """The placebo: every prompt with the response of another place, in one circle through all of them."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "placebo"))
    circle = torch.randperm(len(examples), generator=generator).tolist()
    partner = dict(zip(circle, [*circle[1:], *circle[:1]], strict=True))
    return tuple(
        EncodedExample(prompt=each.prompt, prefix=examples[partner[row]].prefix, learned=examples[partner[row]].learned)
        for row, each in enumerate(examples)
    )


@torch.no_grad()
def mean_loss(policy: LocalPolicy, examples: Sequence[EncodedExample], micro_tokens: int) -> float:
    """-log pi of the learned tokens, in nats per token; NaN without examples."""
    if not examples:
        return math.nan
    return sum(float(part) for part in _losses(policy, examples, micro_tokens))


def _backward(policy: LocalPolicy, examples: Sequence[EncodedExample], micro_tokens: int) -> float:
    """Adds the gradient of the mean loss, some examples at a time; returns the loss."""
    total = 0.0
    for loss in _losses(policy, examples, micro_tokens):
        loss.backward()
        total += float(loss.detach())
    return total


def _losses(policy: LocalPolicy, examples: Sequence[EncodedExample], micro_tokens: int) -> Iterable[Tensor]:
    """The shares of micro-batches in -sum log pi / N, with N learned tokens in all."""
    amount = sum(len(each.learned) for each in examples)
    lengths = torch.tensor([each.length for each in examples])
    for index, _ in micro_batches(lengths, micro_tokens):
        chosen = [examples[row] for row in index.tolist()]
        shown = [
            Demonstration(
                problem=Problem(id=str(row), prompt="", answer="", task="examples"),
                tokens=each.learned,
                prefix=each.prefix,
                group=row,
            )
            for row, each in enumerate(chosen)
        ]
        batch = collate_demonstrations(shown, lambda problem, chosen=chosen: chosen[int(problem.id)].prompt)
        batch = batch.to(policy.model.device)
        yield -policy.forward(batch).logprob[batch.loss_mask].sum() / amount


def _opened(engine: LocalEngine, weights: Path, settings: SupervisedTraining) -> LocalPolicy:
    opened = engine.open(str(weights), optimization=Optimization(lr=settings.lr, micro_tokens=settings.micro_tokens))
    if not isinstance(opened.policy, LocalPolicy) or opened.thinks:
        raise ForageError(
            f"{weights} thinks partly in embeddings: no text says what it should think, so it cannot be "
            "trained on examples."
        )
    return opened.policy


def _check_engine(engine: LocalEngine, settings: SupervisedTraining) -> None:
    if engine.dtype != "float32":
        raise ForageError(
            "Supervised training keeps its weights in float32: leave dtype out. `forage export --dtype` writes others "
            "afterwards."
        )
    if engine.adapter and settings.new_tokens:
        raise ForageError(
            "The embeddings of new tokens are learned, and an adapter leaves the model's own as they are: train all "
            "weights, or add the tokens first and train the adapter on the result."
        )
