"""Training a process reward model on labelled solutions."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from forage.engines.local.process_model import Laid, ProcessModel, batches
from forage.errors import ForageError
from forage.prm.calibration import Calibration, calibrate, first_error
from forage.prm.formats import Rejected, TaggedSolution
from forage.prm.objectives import step_cross_entropy, step_ranking
from forage.seeds import derive_seed

Objective = Literal["steps", "outcome", "ranking"]

OnUpdate = Callable[[int, int, float], None]
"""Called after each update: updates done, in all, and the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTraining:
    """How a process model is trained.

    `objective`: the cross-entropy of every step, or of the last one only (an outcome reward model), or the ranking of
    PQM (whose Q is the log odds of a step; a step is right from 0.5 on). With labels of eta inf the steps are those of
    Math-Shepherd, with eta 0 plain soft labels. The learning rate is for models of the lab's size: 7-billion-parameter
    models were trained with 5e-7 to 1e-6. It rises over a twentieth of the updates and falls as a cosine. `held_out` is
    the share of questions whose solutions are kept for the calibration. `placebo` is the control: the labels trained on
    are permuted among all steps, so that whatever the model then gains does not come from what they say.
    """

    objective: Objective = "steps"
    epochs: int = 3
    batch: int = 64
    lr: float = 3e-4
    weight_decay: float = 0.0
    margin: float = 4.0
    max_tokens: int = 1024
    micro_tokens: int = 8192
    held_out: float = 0.1
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in ("steps", "outcome", "ranking"):
            raise ForageError(f"The objective is steps, outcome or ranking, not {self.objective!r}.")
        if min(self.epochs, self.batch, self.max_tokens, self.micro_tokens) < 1 or not self.lr > 0:
            raise ForageError("epochs, batch, max_tokens and micro_tokens must be at least 1, and lr above 0.")
        if not 0 <= self.held_out < 1:
            raise ForageError(f"held_out is a share of the questions, so 0 or more and below 1, not {self.held_out}.")


@dataclass(frozen=True, slots=True)
class Example:
    """A solution laid out, and its labels: NaN at tags that teach nothing."""

    laid: Laid
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """What training did. `calibration` and `first_errors` (the share of solutions whose first step below 0.5 was found)
    are of the held-out questions, None without any."""

    examples: int
    held_out: int
    updates: int
    loss: float
    rejected: tuple[Rejected, ...]
    calibration: Calibration | None
    first_errors: float | None


def train_process_model(
    process: ProcessModel,
    solutions: Sequence[TaggedSolution],
    settings: ProcessTraining,
    *,
    on_update: OnUpdate | None = None,
) -> ProcessOutcome:
    """Trains `process` in place. The same seed, labels and threads give the same bits.

    Solutions that do not fit into `max_tokens` are rejected, never cut: a cut would lose the late steps, where most
    errors are. Raises ForageError where no solution is left, or where a loss is not finite.
    """
    training, held, rejected = prepare(process, solutions, settings)
    if not training:
        raise ForageError(
            f"None of {len(solutions)} labelled solutions can be trained on"
            + (f"; the first: {rejected[0]}." if rejected else ".")
        )
    if settings.placebo:
        training = permute_labels(training, seed=settings.seed)
    updates = settings.epochs * math.ceil(len(training) / settings.batch)
    parameters = [p for p in process.model.module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=settings.lr, betas=(0.9, 0.95), weight_decay=settings.weight_decay)
    loss = math.nan
    for number, index in enumerate(_order(len(training), settings)):
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * _schedule(number, updates)
        optimiser.zero_grad()
        loss = _backward(process, [training[row] for row in index], settings)
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, 1.0))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ForageError(
                f"Update {number + 1} had a loss or gradient that is not finite: lower the learning rate."
            )
        optimiser.step()
        if on_update is not None:
            on_update(number + 1, updates, loss)
    found, errors = assess(process, held) if held else (None, None)
    process.about = {"training": asdict(settings), "examples": len(training), "rejected": len(rejected)}
    return ProcessOutcome(
        examples=len(training),
        held_out=len(held),
        updates=updates,
        loss=loss,
        rejected=tuple(rejected),
        calibration=found,
        first_errors=errors,
    )


def prepare(
    process: ProcessModel, solutions: Sequence[TaggedSolution], settings: ProcessTraining
) -> tuple[list[Example], list[Example], list[Rejected]]:
    """Examples to train on, examples held out, and the solutions that can be neither."""
    training: list[Example] = []
    held: list[Example] = []
    rejected: list[Rejected] = []
    for number, solution in enumerate(solutions, 1):
        source = solution.source or f"solution {number}"
        try:
            laid = process.lay(solution.prompt, solution.steps)
        except ForageError as error:
            rejected.append(Rejected(source, str(error)))
            continue
        values = solution.values
        if settings.objective == "outcome":
            values = (*(math.nan for _ in values[:-1]), values[-1])
        if len(laid.tokens) > settings.max_tokens:
            rejected.append(Rejected(source, f"{len(laid.tokens)} tokens are more than {settings.max_tokens}"))
        elif all(math.isnan(value) for value in values):
            rejected.append(Rejected(source, "none of its steps has a label"))
        else:
            (held if _is_held_out(solution, settings) else training).append(Example(laid, values))
    return training, held, rejected


def permute_labels(examples: Sequence[Example], *, seed: int) -> list[Example]:
    """The examples with their labels permuted among all labelled steps; steps without a label stay without one."""
    labels = [value for example in examples for value in example.values if not math.isnan(value)]
    generator = torch.Generator().manual_seed(derive_seed(seed, "placebo"))
    drawn = iter(labels[place] for place in torch.randperm(len(labels), generator=generator).tolist())
    return [
        Example(example.laid, tuple(value if math.isnan(value) else next(drawn) for value in example.values))
        for example in examples
    ]


def assess(process: ProcessModel, examples: Sequence[Example]) -> tuple[Calibration, float]:
    """Calibration of the scores against the labels, and the share of solutions whose first error is found."""
    scores = process.score([example.laid for example in examples])
    pairs = [
        (score, value)
        for row, example in zip(scores, examples, strict=True)
        for score, value in zip(row, example.values, strict=True)
        if not math.isnan(value)
    ]
    predicted, label = np.array(pairs).T
    located = [first_error(row) == first_error(example.values) for row, example in zip(scores, examples, strict=True)]
    return calibrate(predicted, label), sum(located) / len(located)


def _is_held_out(solution: TaggedSolution, settings: ProcessTraining) -> bool:
    """By question, so that no question is on both sides."""
    place = derive_seed(settings.seed, "held out", solution.prompt or solution.steps[0]) / 2**63
    return place < settings.held_out


def _order(amount: int, settings: ProcessTraining) -> Iterator[list[int]]:
    for epoch in range(settings.epochs):
        generator = torch.Generator().manual_seed(derive_seed(settings.seed, "epoch", epoch))
        for index in torch.randperm(amount, generator=generator).split(settings.batch):
            yield index.tolist()


def _schedule(number: int, updates: int) -> float:
    warmup = max(1, updates // 20)
    if number < warmup:
        return (number + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (number - warmup) / max(1, updates - warmup)))


def _backward(process: ProcessModel, examples: Sequence[Example], settings: ProcessTraining) -> float:
    """Adds the gradient of the batch's mean loss, a few sequences at a time; returns the loss.

    The mean is over labelled tags, or over solutions for the ranking: taken of the whole batch, so its split into
    passes changes nothing.
    """
    ranking = settings.objective == "ranking"
    amount = len(examples) if ranking else sum(not math.isnan(v) for e in examples for v in e.values)
    total = 0.0
    for index in batches([example.laid for example in examples], settings.micro_tokens):
        some = [examples[row] for row in index]
        logits = process.logits([example.laid for example in some])
        value = torch.tensor([v for example in some for v in example.values], device=logits.device)
        known = ~value.isnan()
        if ranking:
            loss = _ranking(logits, value, known, [len(example.values) for example in some], settings.margin)
        else:
            loss = step_cross_entropy(logits[known], value[known]).sum()
        (loss / amount).backward()
        total += float(loss.detach()) / amount
    return total


def _ranking(logits: Tensor, value: Tensor, known: Tensor, sizes: list[int], margin: float) -> Tensor:
    quality = logits[:, 0] - logits[:, 1]
    rows = zip(quality.split(sizes), value.split(sizes), known.split(sizes), strict=True)
    return torch.stack([step_ranking(q[k], v[k] >= 0.5, margin=margin) for q, v, k in rows]).sum()
