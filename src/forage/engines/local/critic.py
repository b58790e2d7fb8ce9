"""A critic in this process: a copy of the policy's body with a scalar head, and the pair that learns together.

Axes: B sequences, T tokens, N states, d width.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from forage.core.batch import Batch, TrainBatch
from forage.core.protocols import Forward, Loss
from forage.core.seeds import derive_seed
from forage.engines.critic_training import CriticTraining
from forage.engines.distributed.process_group import Alone, ProcessGroup
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import micro_batches
from forage.engines.local.policy import Learner, LocalPolicy
from forage.ops.values import explained_variance
from forage.parts.losses.value_loss import judged

T = TypeVar("T")

MICRO_TOKENS = 16_384
PREFIX = "critic."
"""Marks what is the critic's among the tensors and numbers of a checkpoint."""


class LocalCritic(Learner[Tensor]):
    """V(s) = w · h(s) + b, h the last hidden state. w and b begin at 0, so the first advantages are the returns.

    Takes `model` as its own and freezes its vocabulary head, which plays no part. Each of several processes (`ranks`)
    learns from all rows, and after every batch they make sure that their critics are still one.
    """

    def __init__(self, model: LocalModel, training: CriticTraining, ranks: ProcessGroup | None = None) -> None:
        freeze_head(model)
        head = nn.Linear(model.config.hidden_size, 1, device=model.device, dtype=torch.float32)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        model.module.add_module("value_head", head)
        self._head = head
        self.training = training
        self._ranks = ranks or Alone()
        super().__init__(model, training.optimization)

    def forward(self, batch: Batch) -> Tensor:
        """(B, T) float32 with gradients: the value of the state before each learned token, 0 off the mask."""
        hidden = self.model.hidden(batch.tokens[:, :-1])[batch.loss_mask[:, 1:]]
        blank = torch.zeros(batch.tokens.shape, dtype=torch.float32, device=batch.tokens.device)
        return blank.index_put(batch.loss_mask.nonzero(as_tuple=True), self._values(hidden))

    @torch.no_grad()
    def measure(self, batch: Batch) -> Tensor:
        value = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        for index, width in micro_batches(batch.lengths, self._settings.tokens_per_pass):
            value[index, :width] = self.forward(batch.rows(index, width).to(self.model.device)).cpu()
        return value

    def look(self, batch: Batch) -> Tensor:
        return self.measure(batch)

    @torch.no_grad()
    def value(self, states: Sequence[Sequence[int]]) -> Tensor:
        """(N,) float32: the value of the state behind each sequence of tokens, none of which is empty."""
        value = torch.zeros(len(states), dtype=torch.float32)
        lengths = torch.tensor([len(state) for state in states], dtype=torch.int64)
        for index, width in micro_batches(lengths, MICRO_TOKENS):
            rows = [list(states[row]) for row in index.tolist()]
            tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=self.model.device)
            last = lengths[index].to(tokens.device) - 1
            hidden = self.model.hidden(tokens)[torch.arange(len(rows), device=tokens.device), last]
            value[index] = self._values(hidden).cpu()
        return value

    def learn(self, train: TrainBatch, *, seed: int) -> dict[str, float]:
        """All optimizer steps for one batch. Metrics: `value_loss` and `value_clip_share` (tokens whose value was held
        back) over the updates; `explained_variance` of the targets by the values before them; `critic_grad_norm`,
        `critic_skipped`, `critic_lr`."""
        loss = self.training.loss
        explained = explained_variance(train.signals["value"], loss.targets(train), judged(train.batch))
        metrics = self.improve(train, loss, seed=derive_seed(seed, "critic"))
        if self._ranks.world > 1:
            self._ranks.agree("the sum of the critic's weights", self._placement.masters.total())
        return {
            "value_loss": metrics["value_loss"],
            "value_clip_share": metrics["value_clip_share"],
            "explained_variance": explained,
            "critic_grad_norm": metrics["grad_norm"],
            "critic_skipped": metrics["skipped"],
            "critic_lr": metrics["lr"],
        }

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Weights, moments and counters, as named tensors and numbers."""
        tensors, numbers = self.optimizer_state()
        masters = self._placement.masters.state()  # these are among the optimizer's tensors
        weights = {
            f"weights.{number}": parameter.detach().cpu()
            for number, parameter in enumerate(self._parameters)
            if number not in masters
        }
        return {**weights, **{f"optimizer.{name}": tensor for name, tensor in tensors.items()}}, numbers

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        for number, value in below("weights.", tensors).items():
            self._parameters[int(number)].copy_(value)
        self.restore_optimizer(below("optimizer.", tensors), numbers)

    def _values(self, hidden: Tensor) -> Tensor:
        """hidden (N, d) -> (N,) float32."""
        return self._head(hidden.float()).squeeze(-1)


def freeze_head(model: LocalModel) -> None:
    """The vocabulary head of a critic's model plays no part and does not learn, unless it is the embedding too."""
    inside, outside = model.module.get_input_embeddings(), model.module.get_output_embeddings()
    for parameter in outside.parameters() if outside is not None else ():
        if not any(parameter is other for other in inside.parameters()):
            parameter.requires_grad_(False)


class StoredCritic(Protocol):
    """A critic whose weights and counters can be stored as named tensors and numbers, and be put back."""

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]: ...

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None: ...


C = TypeVar("C", bound=StoredCritic)


class PolicyAndCritic(Generic[C]):
    """A policy and a critic as one policy: what both have in common with one that learns alone."""

    def __init__(self, policy: LocalPolicy, critic: C) -> None:
        self.policy, self.critic = policy, critic
        self._batches = 0

    @property
    def model(self) -> LocalModel:
        """The policy's model."""
        return self.policy.model

    @property
    def version(self) -> int:
        return self.policy.version

    def measure(self, batch: Batch) -> Forward:
        return self.policy.measure(batch)

    # ------------------------------------------------------------------------------------------------- checkpoints

    def save(self, directory: Path) -> None:
        """The policy alone, for whoever samples from it; the critic is part of `optimizer_state`."""
        self.policy.save(directory)

    def optimizer_state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Everything but the policy's weights that the next update depends on."""
        tensors, numbers = self.policy.optimizer_state()
        more, counters = self.critic.state()
        return (
            {**tensors, **{PREFIX + name: tensor for name, tensor in more.items()}},
            {**numbers, **{PREFIX + name: number for name, number in counters.items()}, "batches": self._batches},
        )

    def restore_optimizer(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        own = {name: tensor for name, tensor in tensors.items() if not name.startswith(PREFIX)}
        self.policy.restore_optimizer(own, numbers)
        self.critic.restore(below(PREFIX, tensors), below(PREFIX, numbers))
        self._batches = int(numbers["batches"])


class ActorCritic(PolicyAndCritic[LocalCritic]):
    """A policy and the critic that judges its states: both learn from every batch, the critic alone while it warms up.

    The critic learns first, from the values that the credit was computed with, so the order changes no number.
    """

    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> dict[str, float]:
        self._batches += 1
        learned = self.critic.learn(train, seed=seed)
        if self._batches <= self.critic.training.warmup:
            return {**learned, "critic_alone": 1.0}
        return {**self.policy.improve(train, loss, seed=seed), **learned, "critic_alone": 0.0}


def below(prefix: str, named: Mapping[str, T]) -> dict[str, T]:
    """What stands under `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
