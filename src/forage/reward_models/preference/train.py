"""Training a reward model on rankings of responses: pairs (Bradley-Terry) and longer lists (Plackett-Luce).

Axes: N comparisons of a batch, K responses of the longest.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.seeds import derive_seed
from forage.engines.local.reward_model import RewardModel
from forage.engines.optimization import shuffled_batches
from forage.ops.preferences import bradley_terry_loss, classifier_loss, plackett_luce_loss
from forage.reward_models.preference import Ranking
from forage.training.fit import Checkpointing, FitSettings, OnUpdate, Updates, is_held_out, require_examples

Objective = Literal["plackett-luce", "pairs", "classifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardTraining(FitSettings):
    """How a reward model is trained.

    `objective`: the likelihood of whole rankings, or of all pairs in them; of two responses both are Bradley-Terry. A
    "classifier" learns of each response by itself whether it is the best of its ranking. The
    first `probe` updates move the new head alone, in an order that does not depend on `seed`: models that are to be
    averaged share it and begin near one another (linear probing, arXiv 2401.12187). The learning rate is for models of
    a tiny world's size: 7-billion-parameter models were trained with 1e-6 to 1e-5. `held_out` is the share of
    prompts whose rankings are kept for the accuracy. `placebo` is the control: every ranking is shuffled.
    """

    objective: Objective = "plackett-luce"
    epochs: int = 2
    batch: int = 32
    probe: int = 0

    def __post_init__(self) -> None:
        if self.objective not in get_args(Objective):
            raise ForageError(f"The objective is {', '.join(get_args(Objective))}, not {self.objective!r}.")
        if self.probe < 0:
            raise ForageError(f"probe counts optimizer steps, 0 or more, not {self.probe}.")
        FitSettings.__post_init__(self)


Encoded = tuple[tuple[int, ...], ...]
"""The responses of a ranking as the reward model reads them, best first."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rankings to train on, rankings held out, and a sentence for each that can be neither."""

    training: tuple[Encoded, ...]
    held: tuple[Encoded, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How a reward model agrees with rankings: `accuracy` is the share of pairs in their order (a tie counts half),
    `loss` is in nats per ranking."""

    rankings: int
    pairs: int
    accuracy: float
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardOutcome:
    """What training did. `agreement` is with the held-out rankings, None without any."""

    rankings: int
    updates: int
    loss: float
    rejected: tuple[str, ...]
    agreement: Agreement | None


def train_reward_model(
    model: RewardModel,
    rankings: Sequence[Ranking],
    settings: RewardTraining,
    *,
    checkpointing: Checkpointing | None = None,
    on_update: OnUpdate | None = None,
) -> RewardOutcome:
    """Trains `model` in place. The same seed, rankings and threads give the same bits, wherever it is interrupted.

    Raises ForageError where no ranking is left, or where a loss is not finite (the model is then to be thrown away).
    """
    prepared = prepare(model, rankings, settings)
    kept, held = len(prepared.training), len(prepared.held)
    require_examples(kept, held, prepared.rejected, what="rankings can be trained on", settings=settings)
    training = shuffled(prepared.training, seed=settings.seed) if settings.placebo else prepared.training
    head, body = split_head(model)

    def backward(done: int, index: Sequence[int]) -> float:
        for parameter in body:
            parameter.requires_grad_(done >= settings.probe)
        return _backward(model, [training[row] for row in index], settings)

    checkpointing = checkpointing or Checkpointing()
    updates = Updates(
        [*head, *body],
        list(_order(len(training), settings)),
        backward,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        begin=checkpointing.begin,
        on_update=on_update,
    )
    updates.run(checkpointing)
    agreement = agree(model.score, prepared.held, settings.objective) if prepared.held else None
    model.about = {"training": asdict(settings), "rankings": len(training), "rejected": len(prepared.rejected)}
    return RewardOutcome(
        rankings=len(training),
        updates=updates.done,
        loss=updates.loss,
        rejected=prepared.rejected,
        agreement=agreement,
    )


def prepare(model: RewardModel, rankings: Sequence[Ranking], settings: RewardTraining) -> Prepared:
    """Lays all rankings out. Responses that do not fit into `max_tokens` reject their ranking: none is cut."""
    training: list[Encoded] = []
    held: list[Encoded] = []
    rejected: list[str] = []
    for number, ranking in enumerate(rankings, 1):
        source = ranking.source or f"ranking {number}"
        try:
            encoded = tuple(model.encode(ranking.prompt, response) for response in ranking.responses)
        except ForageError as error:
            rejected.append(f"{source}: {error}")
            continue
        longest = max(map(len, encoded))
        if longest > settings.max_tokens:
            rejected.append(f"{source}: {longest} tokens are more than {settings.max_tokens}.")
            continue
        (held if is_held_out(ranking.prompt, settings.held_out) else training).append(encoded)
    return Prepared(tuple(training), tuple(held), tuple(rejected))


def shuffled(rankings: Sequence[Encoded], *, seed: int) -> tuple[Encoded, ...]:
    """The placebo: the same responses in an order that says nothing."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "placebo"))
    return tuple(
        tuple(encoded[row] for row in torch.randperm(len(encoded), generator=generator)) for encoded in rankings
    )


def agree(
    score: Callable[[Sequence[Sequence[int]]], Sequence[float]], rankings: Sequence[Encoded], objective: Objective
) -> Agreement:
    """How rewards agree with rankings. `score` maps laid-out responses to rewards."""
    rewards = iter(score([response for encoded in rankings for response in encoded]))
    rows = [torch.tensor([next(rewards) for _ in encoded], dtype=torch.float64) for encoded in rankings]
    right = pairs = 0.0
    for row in rows:
        better, worse = row[torch.triu_indices(len(row), len(row), 1)]
        right += float((better > worse).sum()) + 0.5 * float((better == worse).sum())
        pairs += len(better)
    loss = float(ranking_losses(rows, objective).mean())
    return Agreement(rankings=len(rows), pairs=int(pairs), accuracy=right / pairs, loss=loss)


def ranking_losses(rewards: Sequence[Tensor], objective: Objective) -> Tensor:
    """(N,) losses of rankings whose rewards stand best first, (K_n,) each."""
    if objective == "pairs":
        pairs = [row[torch.triu_indices(len(row), len(row), 1, device=row.device)] for row in rewards]
        return torch.stack([bradley_terry_loss(better, worse).mean() for better, worse in pairs])
    if objective == "classifier":
        return torch.stack(
            [classifier_loss(row, torch.arange(len(row), device=row.device) == 0).mean() for row in rewards]
        )
    padded = torch.nn.utils.rnn.pad_sequence(list(rewards), batch_first=True)
    lengths = torch.tensor([len(row) for row in rewards], device=padded.device)
    return plackett_luce_loss(padded, torch.arange(padded.shape[1], device=padded.device) < lengths[:, None])


def split_head(model: RewardModel) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The parameters above the body (the head), and those of the body."""
    body = [p for p in model.module.base_model.parameters() if p.requires_grad]
    inside = {id(parameter) for parameter in body}
    return [p for p in model.module.parameters() if p.requires_grad and id(p) not in inside], body


def _order(amount: int, settings: RewardTraining) -> Iterator[list[int]]:
    """The batches of the probe, in an order that no seed changes, and then those of the epochs."""
    each = math.ceil(amount / settings.batch)
    probing = (
        rows
        for epoch in range(math.ceil(settings.probe / each))
        for rows in shuffled_batches(amount, settings.batch, epoch=epoch, seed=0, name="probe")
    )
    yield from islice(probing, settings.probe)
    for epoch in range(settings.epochs):
        yield from shuffled_batches(amount, settings.batch, epoch=epoch, seed=settings.seed)


def _backward(model: RewardModel, rankings: Sequence[Encoded], settings: RewardTraining) -> float:
    """Adds the gradient of the batch's mean loss, some rankings at a time; returns the loss."""
    total = 0.0
    for micro_batch in _passes(rankings, settings.micro_tokens):
        rewards = model.rewards([response for encoded in micro_batch for response in encoded]).split(
            [len(encoded) for encoded in micro_batch]
        )
        loss = ranking_losses(rewards, settings.objective).sum() / len(rankings)
        loss.backward()
        total += float(loss.detach())
    return total


def _passes(rankings: Sequence[Encoded], tokens: int) -> Iterator[list[Encoded]]:
    """Rankings together whose padded tokens are at most `tokens`; a ranking is never split."""
    micro_batch: list[Encoded] = []
    for encoded in sorted(rankings, key=lambda encoded: max(map(len, encoded))):
        rows = sum(map(len, micro_batch)) + len(encoded)
        if micro_batch and rows * max(map(len, encoded)) > tokens:
            yield micro_batch
            micro_batch = []
        micro_batch.append(encoded)
    if micro_batch:
        yield micro_batch
