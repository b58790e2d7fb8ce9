"""The policy of a run: a local model, its optimizer, and the only code that moves weights (a critic's too).

Axes: B sequences, T tokens, N learned tokens of a micro-batch.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from forage.core.batch import Batch, TokenWeights, TrainBatch
from forage.core.demonstrations import shown_to
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Tallies
from forage.core.seeds import derive_seed
from forage.engines.distributed.process_group import Alone, ProcessGroup, local_rows
from forage.engines.local.model import LocalModel
from forage.engines.local.packing import Starts, pack
from forage.engines.local.placement import Pass, Placement, Whole, cut
from forage.engines.local.sharing import Sharing
from forage.engines.optimization import Optimization
from forage.ops.logprobs import token_logprobs_and_entropy

Seen = TypeVar("Seen")
Given = TypeVar("Given", contravariant=True)

LOGITS_PER_CHUNK = 1 << 24
"""Logits that may exist at once (64 MB in float32): the chunk of tokens is this over the vocabulary."""

MASTER = "master"
"""What a checkpoint calls the float32 copy of a weight, beside the names of AdamW's moments."""


LOSS = "loss."
"""Marks what a loss carries from one optimizer step to the next among the numbers of a checkpoint."""


class NonFiniteUpdate(ForageError):
    """Too many updates in a row had a loss or a gradient that is not finite. `train` holds the last one's sequences."""

    def __init__(self, message: str, train: TrainBatch) -> None:
        super().__init__(message)
        self.train = train


class Objective(Protocol[Given]):
    """What an optimizer step minimizes, given what the learner sees in one pass: a `Loss` is one for a policy."""

    @property
    def skips_zero_advantage(self) -> bool: ...

    @property
    def of_demonstrations(self) -> "Objective[Given] | None": ...

    def settle(self, train: TrainBatch, look: Callable[[Batch], Given], state: dict[str, float], /) -> TrainBatch: ...

    def weigh(self, batch: Batch) -> TokenWeights: ...

    def __call__(self, forward: Given, train: TrainBatch, weights: TokenWeights, /) -> tuple[Tensor, Tallies]: ...


class Learner(ABC, Generic[Seen]):
    """Weights plus AdamW, both in float32 whatever the model computes in (`MasterWeights`).

    `version` counts optimizer steps, skipped ones included. `placement` says where the weights lie where the run has
    several processes; they all learn together.
    """

    def __init__(self, model: LocalModel, optimization: Optimization, placement: Placement | None = None) -> None:
        self.model = model
        self.version = 0
        self._settings = optimization
        self._skipped_in_a_row = 0
        self._loss_state: dict[str, float] = {}
        self._placement = placement or Whole(model, Alone())
        self._parameters = self._placement.parameters
        self._optimizer = torch.optim.AdamW(
            self.parameter_groups(),
            lr=optimization.lr,
            betas=optimization.betas,
            weight_decay=optimization.weight_decay,
            foreach=True,
        )

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer moves, each group at `pace` times the learning rate."""
        return [{"params": self._parameters, "pace": 1.0}]

    @abstractmethod
    def forward(self, batch: Batch) -> Seen:
        """One pass over the learned tokens of `batch`, with gradients."""

    @abstractmethod
    def look(self, batch: Batch) -> Seen:
        """A pass without gradients between two updates, by the weights that learn, wherever they lie."""

    def see(self, model: LocalModel, batch: Batch) -> Seen:
        """`forward` by a model that is placed elsewhere: one that can be asks it here."""
        return self.forward(batch)

    def improve(self, train: TrainBatch, loss: Objective[Seen], *, seed: int) -> dict[str, float]:
        """`epochs` passes of `mini_batches` optimizer steps each; returns the means of the metrics over the updates."""
        tallied, meter = _Meter(), _Meter()
        with self._placement.learning():
            for epoch in range(self._settings.epochs):
                order = derive_seed(seed, "epoch", epoch)
                for index in mini_batches(train.batch.group, self._settings.mini_batches, seed=order):
                    self._update(train.rows(index), loss, tallied, meter)
        tallied.join(self._placement.ranks)
        return {**tallied.means(), **meter.means(), "lr": self._learning_rate()}

    def _update(self, train: TrainBatch, loss: Objective[Seen], tallied: "_Meter", meter: "_Meter") -> None:
        """One optimizer step. The denominators are taken here, once, so micro-batches only add up.

        `tallied` takes what this process sees of its rows, `meter` what is true of the whole step.
        """
        shown, train = train.demonstrations, replace(train, demonstrations=None)
        train = loss.settle(train, self.look, self._loss_state)
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        total = self._accumulate(train, loss, tallied)
        if shown is not None and loss.of_demonstrations is not None:
            # In passes of their own: what they share a pass with would round the gradient of the sampled rows.
            shared = shown_to(shown, groups=len(train.batch.group.unique()))
            total += self._accumulate(shared, loss.of_demonstrations, tallied)
        total = self._placement.ranks.total(total)
        norm = self._placement.finish_gradients(self._settings.grad_clip)
        meter.observe(loss=total, grad_norm=norm, skipped=0.0)
        if math.isfinite(total) and math.isfinite(norm):
            for group in self._optimizer.param_groups:
                group["lr"] = self._learning_rate() * group["pace"]
            self._optimizer.step()
            self._placement.masters.publish()
            self._skipped_in_a_row = 0
        else:
            meter.observe(skipped=1.0)
            self._skip(train)
        self.version += 1

    def _accumulate(self, train: TrainBatch, loss: Objective[Seen], tallied: "_Meter") -> float:
        """Adds the gradients of this process's rows; returns their share of the loss."""
        weights = loss.weigh(train.batch)
        active = torch.arange(len(train.batch))
        if loss.skips_zero_advantage:
            active = active[(train.advantage != 0).any(dim=1)]
        total = 0.0
        if len(active):
            for part in self._passes(train.batch.rows(active)):
                value, tallies = self._backward(train, loss, weights, replace(part, rows=active[part.rows]))
                total += value
                tallied.add(tallies)
        return total

    def _passes(self, batch: Batch) -> list[Pass]:
        """The micro-batches of this process."""
        return self._placement.passes(batch.lengths, self._settings.tokens_per_pass)

    def _backward(
        self, train: TrainBatch, loss: Objective[Seen], weights: TokenWeights, micro_batch: Pass
    ) -> tuple[float, Tallies]:
        device = self.model.device
        part = train.rows(micro_batch.rows, micro_batch.width).to(device)
        seen = self._placement.forward(self.see, part.batch)
        value, tallies = loss(seen, part, weights.rows(micro_batch.rows, micro_batch.width).to(device))
        if micro_batch.idle:
            (value * 0).backward()
            return 0.0, {}
        value.backward()
        return float(value.detach()), tallies

    def _skip(self, train: TrainBatch) -> None:
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= self._settings.max_skips:
            raise NonFiniteUpdate(
                f"{self._skipped_in_a_row} updates in a row had a loss or a gradient that is not finite. They changed "
                "no weight, but what an update before them made of the weights may be the cause: lower the learning "
                "rate, or look at the saved sequences.",
                train,
            )

    def _learning_rate(self) -> float:
        warmup = self._settings.warmup
        return self._settings.lr * (min(1.0, (self.version + 1) / warmup) if warmup else 1.0)

    # ------------------------------------------------------------------------------------------------- checkpoints

    def save(self, directory: Path) -> None:
        self.model.save(directory)

    def optimizer_state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Everything but the weights that the next update depends on: named tensors and numbers."""
        tensors = {
            f"{number}.{name}": self._placement.gathered(value)
            for number, parameter in enumerate(self._parameters)
            for name, value in self._optimizer.state.get(parameter, {}).items()
        }
        for number, master in self._placement.masters.state().items():
            tensors[f"{number}.{MASTER}"] = self._placement.gathered(master)
        numbers = {"version": self.version, "skipped_in_a_row": self._skipped_in_a_row}
        return tensors, {**numbers, **{LOSS + name: value for name, value in self._loss_state.items()}}

    def restore_optimizer(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        for name, value in tensors.items():
            number, key = name.split(".", 1)
            parameter = self._parameters[int(number)]
            if key == MASTER:
                self._placement.masters.restore(int(number), self._placement.placed(value, parameter))
                continue
            # AdamW keeps its step counter on the CPU whatever the device of the parameter.
            placed = value.clone() if key == "step" else self._placement.placed(value.to(parameter.dtype), parameter)
            self._optimizer.state[parameter][key] = placed
        self.version = int(numbers["version"])
        self._skipped_in_a_row = int(numbers["skipped_in_a_row"])
        state = {name.removeprefix(LOSS): value for name, value in numbers.items() if name.startswith(LOSS)}
        self._loss_state = state


class LocalPolicy(Learner[Forward]):
    """A local model as the policy, at the sampling temperature.

    `share_starts`: sequences of one micro-batch that begin alike share the activations of what they begin with, where
    the architecture can.
    """

    def __init__(
        self,
        model: LocalModel,
        optimization: Optimization,
        *,
        temperature: float,
        placement: Placement | None = None,
        share_starts: bool = True,
    ) -> None:
        super().__init__(model, optimization, placement)
        self._temperature = temperature
        self._sharing = Sharing(model) if share_starts else None

    def forward(self, batch: Batch) -> Forward:
        """Log-probability and entropy, (B, T) float32, of the learned tokens of `batch`, with gradients.

        Only the hidden states that score a learned token reach the vocabulary, a chunk at a time.
        """
        return self.see(self.model, batch)

    def see(self, model: LocalModel, batch: Batch) -> Forward:
        return self.scored(model, batch, self.scoring(model, batch))

    def scoring(self, model: LocalModel, batch: Batch) -> Tensor:
        """(N, d): the hidden states that score the learned tokens."""
        starts = self._starts(batch)
        if starts is not None and starts.shared:
            packing = pack(batch, starts)
            return model.hidden(packing.tokens, packing)[0, packing.scores]
        return model.hidden(batch.tokens[:, :-1])[batch.loss_mask[:, 1:]]

    def scored(self, model: LocalModel, batch: Batch, hidden: Tensor) -> Forward:
        """What the hidden states (N, d) say of the learned tokens."""
        head = model.head
        logprob, entropy = token_logprobs_and_entropy(
            hidden,
            head.weight,
            batch.tokens[batch.loss_mask],
            temperature=self._temperature,
            chunk=max(1, LOGITS_PER_CHUNK // head.weight.shape[0]),
            bias=head.bias,
            softcap=head.softcap,
            scale=head.scale,
        )
        index = batch.loss_mask.nonzero(as_tuple=True)
        blank = torch.zeros(batch.tokens.shape, dtype=torch.float32, device=batch.tokens.device)
        return Forward(blank.index_put(index, logprob), blank.index_put(index, entropy))

    def measure(self, batch: Batch) -> Forward:
        own = local_rows(self._placement.ranks, batch.lengths)
        return self._passed(
            batch, cut(own, batch.lengths, self._settings.tokens_per_pass, self._starts(batch)), self.forward
        )

    def look(self, batch: Batch) -> Forward:
        return self._passed(batch, self._passes(batch), lambda part: self._placement.forward(self.see, part))

    @torch.no_grad()
    def _passed(self, batch: Batch, passes: Sequence[Pass], see: Callable[[Batch], Forward]) -> Forward:
        logprob = torch.zeros(batch.tokens.shape, dtype=torch.float32)
        entropy = torch.zeros_like(logprob)
        for micro_batch in passes:
            part = see(batch.rows(micro_batch.rows, micro_batch.width).to(self.model.device))
            if not micro_batch.idle:
                logprob[micro_batch.rows, : micro_batch.width] = part.logprob.cpu()
                entropy[micro_batch.rows, : micro_batch.width] = part.entropy.cpu()
        for values in (logprob, entropy):  # zeros where another process has looked
            self._placement.ranks.add(values)
        return Forward(logprob, entropy)

    def _passes(self, batch: Batch) -> list[Pass]:
        return self._placement.passes(batch.lengths, self._settings.tokens_per_pass, self._starts(batch))

    def _starts(self, batch: Batch) -> Starts | None:
        return self._sharing.starts(batch) if self._sharing else None


def mini_batches(group: Tensor, count: int, *, seed: int) -> Iterator[Tensor]:
    """Row indices of `count` mini-batches: groups shuffled by `seed`, never split, sizes as equal as can be.

    group (B,) int64. Yields (rows,) int64 in increasing order.
    """
    numbers = group.unique()
    generator = torch.Generator().manual_seed(seed)
    shuffled = numbers[torch.randperm(len(numbers), generator=generator)]
    for members in shuffled.tensor_split(count):
        index = torch.isin(group, members).nonzero().squeeze(1)
        if len(index):
            yield index


class _Meter:
    """Running means: sums and counts that add up over micro-batches and updates; `..._max` keys keep the maximum."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[float, float]] = {}

    def add(self, tallies: Tallies) -> None:
        for name, (total, count) in tallies.items():
            self._accumulate(name, float(total), float(count))

    def observe(self, **values: float) -> None:
        for name, value in values.items():
            self._accumulate(name, value, 0.0 if name == "skipped" else 1.0)

    def join(self, ranks: ProcessGroup) -> None:
        """What all processes have added, instead of what this one has."""
        if ranks.world == 1:
            return
        contents = ranks.gather(json.dumps(self._sums).encode())
        self._sums = {}
        for content in contents:
            for name, (total, count) in json.loads(content).items():
                self._accumulate(name, total, count)

    def means(self) -> dict[str, float]:
        return {name: total / count if count else total for name, (total, count) in self._sums.items()}

    def _accumulate(self, name: str, total: float, count: float) -> None:
        before, seen = self._sums.get(name, (0.0, 0.0))
        if name.endswith("_max"):
            self._sums[name] = (max(before, total), 0.0)
        else:
            self._sums[name] = (before + total, seen + count)
