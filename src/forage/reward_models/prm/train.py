"""Training a process reward model on labeled solutions."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.engines.local.process_model import Encoded, ProcessModel, batches
from forage.engines.optimization import shuffled_batches
from forage.ops.step_objectives import step_cross_entropy, step_ranking
from forage.reward_models.prm.calibration import Calibration, FirstErrors, calibrate, locate_errors
from forage.reward_models.prm.formats import Rejected, TaggedSolution
from forage.training.fit import Checkpointing, FitSettings, OnUpdate, Updates, require_examples

Objective = Literal["steps", "outcome", "ranking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTraining(FitSettings):
    """How a process model is trained.

    `objective`: the cross-entropy of every step, or of the last one only (an outcome reward model), or the ranking of
    PQM (whose Q is the log odds of a step; a step is right from 0.5 on). With labels of eta inf the steps are those of
    Math-Shepherd, with eta 0 plain soft labels. The learning rate is for tiny models: 7-billion-parameter
    models were trained with 5e-7 to 1e-6. `held_out` is
    the share of questions whose solutions are kept for the calibration. `placebo` is the control: the labels trained on
    are permuted among all steps, so that whatever the model then gains does not come from what they say.
    """

    objective: Objective = "steps"
    margin: float = 4.0

    def __post_init__(self) -> None:
        if self.objective not in ("steps", "outcome", "ranking"):
            raise ForageError(f"The objective is steps, outcome or ranking, not {self.objective!r}.")
        FitSettings.__post_init__(self)


@dataclass(frozen=True, slots=True)
class LabeledExample:
    """A solution laid out, and its labels: NaN at tags that teach nothing."""

    encoded: Encoded
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessOutcome:
    """What training did. `calibration` and `first_errors` are of the held-out questions, None without any."""

    examples: int
    held_out: int
    updates: int
    loss: float
    rejected: tuple[Rejected, ...]
    calibration: Calibration | None
    first_errors: FirstErrors | None

    def to_json(self) -> dict[str, Any]:
        """For calibration.json beside the model; NaN becomes null."""
        content = asdict(self) | {"rejected": [str(each) for each in self.rejected]}
        if self.first_errors:
            content["first_errors"] = {k: None if v != v else v for k, v in asdict(self.first_errors).items()}
        return content


def train_process_model(
    process: ProcessModel,
    solutions: Sequence[TaggedSolution],
    settings: ProcessTraining,
    *,
    checkpointing: Checkpointing | None = None,
    on_update: OnUpdate | None = None,
) -> ProcessOutcome:
    """Trains `process` in place. The same seed, labels and threads give the same bits, wherever it is interrupted.

    Solutions that do not fit into `max_tokens` are rejected, never cut: a cut would lose the late steps, where most
    errors are. Raises ForageError where no solution is left, or where a loss is not finite.
    """
    training, held, rejected = prepare(process, solutions, settings)
    what = "labeled solutions can be trained on"
    require_examples(len(training), len(held), rejected, what=what, settings=settings)
    if settings.placebo:
        training = permute_labels(training, seed=settings.seed)
    checkpointing = checkpointing or Checkpointing()
    updates = Updates(
        process.parameters,
        list(_order(len(training), settings)),
        lambda _, index: _backward(process, [training[row] for row in index], settings),
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        begin=checkpointing.begin,
        on_update=on_update,
    )
    updates.run(checkpointing)
    calibration, errors = assess(process, held) if held else (None, None)
    process.about = {"training": asdict(settings), "examples": len(training), "rejected": len(rejected)}
    return ProcessOutcome(
        examples=len(training),
        held_out=len(held),
        updates=updates.done,
        loss=updates.loss,
        rejected=tuple(rejected),
        calibration=calibration,
        first_errors=errors,
    )


def prepare(
    process: ProcessModel, solutions: Sequence[TaggedSolution], settings: ProcessTraining
) -> tuple[list[LabeledExample], list[LabeledExample], list[Rejected]]:
    """Examples to train on, examples held out, and the solutions that can be neither."""
    training: list[LabeledExample] = []
    held: list[LabeledExample] = []
    rejected: list[Rejected] = []
    for number, solution in enumerate(solutions, 1):
        source = solution.source or f"solution {number}"
        try:
            encoded = process.encode(solution.prompt, solution.steps)
        except ForageError as error:
            rejected.append(Rejected(source, str(error)))
            continue
        values = solution.values
        if settings.objective == "outcome":
            values = (*(math.nan for _ in values[:-1]), values[-1])
        if len(encoded.tokens) > settings.max_tokens:
            rejected.append(Rejected(source, f"{len(encoded.tokens)} tokens are more than {settings.max_tokens}"))
        elif all(math.isnan(value) for value in values):
            rejected.append(Rejected(source, "none of its steps has a label"))
        else:
            (held if _is_held_out(solution, settings) else training).append(LabeledExample(encoded, values))
    return training, held, rejected


def permute_labels(examples: Sequence[LabeledExample], *, seed: int) -> list[LabeledExample]:
    """The examples with their labels permuted among all labeled steps; steps without a label stay without one."""
    labels = [value for example in examples for value in example.values if not math.isnan(value)]
    generator = torch.Generator().manual_seed(derive_seed(seed, "placebo"))
    drawn = iter(labels[place] for place in torch.randperm(len(labels), generator=generator).tolist())
    return [
        LabeledExample(example.encoded, tuple(value if math.isnan(value) else next(drawn) for value in example.values))
        for example in examples
    ]


def assess(process: ProcessModel, examples: Sequence[LabeledExample]) -> tuple[Calibration, FirstErrors]:
    """Calibration of the scores against the labels, and how well first errors are located."""
    scores = process.score([example.encoded for example in examples])
    pairs = [
        (score, value)
        for row, example in zip(scores, examples, strict=True)
        for score, value in zip(row, example.values, strict=True)
        if not math.isnan(value)
    ]
    predicted, label = np.array(pairs).T
    return calibrate(predicted, label), locate_errors(scores, [example.values for example in examples])


def _is_held_out(solution: TaggedSolution, settings: ProcessTraining) -> bool:
    """By question, so that no question is on both sides."""
    place = derive_seed(settings.seed, "held out", solution.prompt or solution.steps[0]) / 2**63
    return place < settings.held_out


def _order(amount: int, settings: ProcessTraining) -> Iterator[list[int]]:
    for epoch in range(settings.epochs):
        yield from shuffled_batches(amount, settings.batch, epoch=epoch, seed=settings.seed)


def _backward(process: ProcessModel, examples: Sequence[LabeledExample], settings: ProcessTraining) -> float:
    """Adds the gradient of the batch's mean loss, a few sequences at a time; returns the loss.

    The mean is over labeled tags, or over solutions for the ranking: taken of the whole batch, so its split into
    passes changes nothing.
    """
    ranking = settings.objective == "ranking"
    amount = len(examples) if ranking else sum(not math.isnan(v) for e in examples for v in e.values)
    total = 0.0
    for index in batches([example.encoded for example in examples], settings.micro_tokens):
        micro_batch = [examples[row] for row in index]
        logits = process.logits([example.encoded for example in micro_batch])
        value = torch.tensor([v for example in micro_batch for v in example.values], device=logits.device)
        known = ~value.isnan()
        if ranking:
            loss = _ranking(logits, value, known, [len(example.values) for example in micro_batch], settings.margin)
        else:
            loss = step_cross_entropy(logits[known], value[known]).sum()
        (loss / amount).backward()
        total += float(loss.detach()) / amount
    return total


def _ranking(logits: Tensor, value: Tensor, known: Tensor, sizes: list[int], margin: float) -> Tensor:
    quality = logits[:, 0] - logits[:, 1]
    rows = zip(quality.split(sizes), value.split(sizes), known.split(sizes), strict=True)
    return torch.stack([step_ranking(q[k], v[k] >= 0.5, margin=margin) for q, v, k in rows]).sum()
