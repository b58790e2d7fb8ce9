"""The rectangular world: tensors under one mask.

Axes: B sequences of the step, T tokens. A sequence is laid out as prompt, start prefix, response, padding, so causal
attention needs no padding mask. Per-token values at [b, t] belong to the token at [b, t] (the one being scored), and
are meaningful only where `loss_mask` is True.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Everything the learner knows about a step's sequences.

    tokens (B, T) int64; loss_mask (B, T) bool: the tokens that are learned from (prompts, replayed prefixes and padding
    are False); origin (B,) int64, an `Origin`; behaviour (B, T) float32: log-probability under the sampler; entropy
    (B, T) float32: nats, of the sampler's full distribution; reward (B,) float32, NaN where it could not be judged;
    group (B,) int64: siblings share a number; step (B, T) int64: index of the reasoning step, -1 off the mask;
    step_reward (B, T) float32: a step's reward at the last token of the step, 0 elsewhere; version (B,) int64: of the
    policy that sampled; weight (B,) float32: how much the sequence counts in a loss.
    """

    tokens: Tensor
    loss_mask: Tensor
    origin: Tensor
    behaviour: Tensor
    entropy: Tensor
    reward: Tensor
    group: Tensor
    step: Tensor
    step_reward: Tensor
    version: Tensor
    weight: Tensor

    def __post_init__(self) -> None:
        rows, width = self.tokens.shape
        for name in ("loss_mask", "behaviour", "entropy", "step", "step_reward"):
            shape = tuple(getattr(self, name).shape)
            if shape != (rows, width):
                raise ValueError(f"Batch.{name} has shape {shape}, not (B, T) = {(rows, width)}")
        for name in ("origin", "reward", "group", "version", "weight"):
            shape = tuple(getattr(self, name).shape)
            if shape != (rows,):
                raise ValueError(f"Batch.{name} has shape {shape}, not (B,) = {(rows,)}")
        if self.loss_mask.dtype != torch.bool:
            raise ValueError(f"Batch.loss_mask is {self.loss_mask.dtype}, not bool")
        if bool(self.loss_mask[:, 0].any()):
            raise ValueError("the first token of a sequence has nothing before it, so it cannot be learned from")

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def lengths(self) -> Tensor:
        """(B,) int64: one past the last learned token; what lies behind it never matters."""
        position = torch.arange(1, self.tokens.shape[1] + 1, device=self.tokens.device)
        return (self.loss_mask * position).amax(dim=1)

    def rows(self, index: Tensor, width: int | None = None) -> Self:
        """The sequences at `index` (int64 or bool), cut to `width` tokens."""
        return replace(self, **{f.name: _take(getattr(self, f.name), index, width) for f in fields(self)})

    def to(self, device: torch.device | str) -> Self:
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Experience:
    """A batch and the signals that the recipe needs; each signal is a (B, T) float32 tensor."""

    batch: Batch
    signals: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        shape = tuple(self.batch.tokens.shape)
        for name, signal in self.signals.items():
            if tuple(signal.shape) != shape:
                raise ValueError(f"signal {name!r} has shape {tuple(signal.shape)}, not (B, T) = {shape}")

    def rows(self, index: Tensor, width: int | None = None) -> "Experience":
        signals = {name: _take(signal, index, width) for name, signal in self.signals.items()}
        return Experience(self.batch.rows(index, width), signals)

    def to(self, device: torch.device | str) -> "Experience":
        return Experience(self.batch.to(device), {name: signal.to(device) for name, signal in self.signals.items()})


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """An experience whose credit is settled: `advantage` (B, T) float32, 0 off the mask, never changed again.

    `unshaped` (B, T) float32, where known, is the advantage before any shape but normalizing ones: it shows what the
    shapes did. `demonstrations` are rows that nobody sampled in this step (`core/demonstrations.py`): they are learned
    from beside the others, in passes of their own, and take part in nothing else. Each goes with the group whose number
    it has, and its `weight` is its share of what that group learns from demonstrations.
    """

    experience: Experience
    advantage: Tensor
    unshaped: Tensor | None = None
    demonstrations: Batch | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.batch.tokens.shape)
        for name in ("advantage", "unshaped"):
            tensor = getattr(self, name)
            if tensor is not None and tuple(tensor.shape) != shape:
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, not (B, T) = {shape}")

    @property
    def batch(self) -> Batch:
        return self.experience.batch

    @property
    def signals(self) -> Mapping[str, Tensor]:
        return self.experience.signals

    def rows(self, index: Tensor, width: int | None = None) -> "TrainBatch":
        """The sequences at `index`, cut to `width` tokens, and all demonstrations that go with their groups, uncut."""
        unshaped = None if self.unshaped is None else _take(self.unshaped, index, width)
        experience, demonstrations = self.experience.rows(index, width), self.demonstrations
        if demonstrations is not None:
            present = torch.isin(demonstrations.group, experience.batch.group).nonzero().squeeze(1)
            demonstrations = demonstrations.rows(present) if len(present) else None
        return TrainBatch(experience, _take(self.advantage, index, width), unshaped, demonstrations)

    def to(self, device: torch.device | str) -> "TrainBatch":
        unshaped = None if self.unshaped is None else self.unshaped.to(device)
        demonstrations = None if self.demonstrations is None else self.demonstrations.to(device)
        return TrainBatch(self.experience.to(device), self.advantage.to(device), unshaped, demonstrations)


@dataclass(frozen=True, slots=True)
class TokenWeights:
    """Denominators of one optimizer step, as (B, T) weights: of the surrogate's loss and of the penalties."""

    surrogate: Tensor
    penalty: Tensor

    def rows(self, index: Tensor, width: int) -> Self:
        return type(self)(self.surrogate[index][:, :width], self.penalty[index][:, :width])

    def to(self, device: torch.device | str) -> Self:
        return type(self)(self.surrogate.to(device), self.penalty.to(device))


def _take(tensor: Tensor, index: Tensor, width: int | None) -> Tensor:
    rows = tensor[index]
    return rows if width is None or rows.dim() == 1 else rows[:, :width]
