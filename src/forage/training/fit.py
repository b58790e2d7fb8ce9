"""The updates of a training on labeled examples, from a state on: AdamW, warm-up and cosine, Ctrl-C between two."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.interrupts import InterruptGate
from forage.core.seeds import derive_seed
from forage.engines.optimization import warmup_cosine

OnUpdate = Callable[[int, int, float], None]
"""Called after each update: updates done, in all, and the loss."""

Backward = Callable[[int, Sequence[int]], float]
"""(updates done, rows) -> the loss of a batch, whose gradient is added to the parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a model is fitted to labeled examples, whatever they are. Raises ForageError for what makes no sense.

    The learning rate rises over a twentieth of the optimizer steps and falls as a cosine.

    Args:
        epochs: Passes over the data.
        lr: Learning rate.
        batch: Examples per optimizer step.
        weight_decay: Weight decay of AdamW.
        max_tokens: The most tokens of a response. Examples with longer ones are rejected, not cut.
        micro_tokens: Tokens per forward pass: memory against speed. Gradients agree up to rounding.
        held_out: Share of the prompts that is kept to measure with.
        placebo: Train the control instead. Labels are shuffled, so what the model then gains is not from what they say.
        seed: Random seed. Of the order, of what is held out, and of the placebo.
    """

    epochs: int = 3
    lr: float = 3e-4
    batch: int = 64
    weight_decay: float = 0.0
    max_tokens: int = 1024
    micro_tokens: int = 8192
    held_out: float = 0.1
    placebo: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.max_tokens, self.micro_tokens) < 1 or not self.lr > 0:
            raise ForageError("epochs, batch, max_tokens and micro_tokens must be at least 1, and lr above 0.")
        if not 0 <= self.held_out < 1:
            raise ForageError(f"held_out is a share of the prompts, so 0 or more and below 1, not {self.held_out}.")


def is_held_out(prompt: object, share: float) -> bool:
    """Whether a prompt is among those to measure with: by what it says alone, so all its examples are on one side."""
    return derive_seed("held out", str(prompt)) / 2**63 < share


def require_examples(training: int, held: int, rejected: Sequence[object], *, what: str, settings: FitSettings) -> None:
    """Raises ForageError where nothing is left to train on, saying why; `what` names the examples."""
    if training:
        return
    why = f"{held} are held out, {len(rejected)} are rejected"
    why += f"; the first: {rejected[0]}" if rejected else f". Hold out less than {settings.held_out} of the prompts."
    raise ForageError(f"None of {held + len(rejected)} {what}: {why}")


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that the next update depends on, beside the weights: updates done, their last loss, AdamW's moments."""

    updates: int = 0
    loss: float = math.nan
    moments: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointing:
    """Where a training begins, and when it writes its state down.

    `save` is called every `every` updates (0: never), and once more where Ctrl-C ends the training, while the model
    stands at the same update. `begin` is the state that the model was saved with.
    """

    begin: TrainingState = field(default_factory=TrainingState)
    every: int = 0
    save: Callable[[TrainingState], None] | None = None

    def __post_init__(self) -> None:
        if self.every < 0:
            raise ForageError(f"checkpoint_every counts updates (0: only when interrupted), so not {self.every}.")


class Updates:
    """One update for every batch: the learning rate rises over a twentieth of them and falls as a cosine.

    `parameters` are in an order that never changes: the moments of a state are named by it. A parameter without a
    gradient stays where it is.
    """

    def __init__(
        self,
        parameters: Sequence[Tensor],
        batches: Sequence[Sequence[int]],
        backward: Backward,
        *,
        lr: float,
        weight_decay: float,
        begin: TrainingState,
        on_update: OnUpdate | None,
    ) -> None:
        self._parameters, self._batches, self._backward = parameters, batches, backward
        self._lr, self._on_update = lr, on_update
        self._optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
        self.done, self.loss = begin.updates, begin.loss
        for name, value in begin.moments.items():
            number, key = name.split(".", 1)
            parameter = parameters[int(number)]
            # AdamW keeps its step counter on the CPU whatever the device of the parameter.
            self._optimizer.state[parameter][key] = value.clone().to("cpu" if key == "step" else parameter.device)

    def run(self, checkpointing: Checkpointing) -> None:
        """Does what is left. Ctrl-C passes on as KeyboardInterrupt, between two updates and with the state saved.

        Raises ForageError where a loss or a gradient is not finite; the model is then to be thrown away.
        """
        every, save = checkpointing.every, checkpointing.save
        gate, saved = InterruptGate(), self.done
        with gate.listening():
            try:
                for index in self._batches[self.done :]:
                    self._update(gate, index)
                    if save and every and self.done % every == 0:
                        save(self.state())
                        saved = self.done
                    gate.reopen()
            except KeyboardInterrupt:
                with gate:
                    if save and saved < self.done and not gate.broken:
                        save(self.state())
                raise

    def state(self) -> TrainingState:
        moments = {
            f"{number}.{name}": value.detach().cpu().clone()
            for number, parameter in enumerate(self._parameters)
            for name, value in self._optimizer.state.get(parameter, {}).items()
        }
        return TrainingState(self.done, self.loss, moments)

    def _update(self, gate: InterruptGate, index: Sequence[int]) -> None:
        """One update. The gate closes before the weights move and stays closed: the caller writes the state down."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._lr * warmup_cosine(self.done, steps=len(self._batches))
        self._optimizer.zero_grad()
        loss = self._backward(self.done, index)
        norm = float(torch.nn.utils.clip_grad_norm_(self._parameters, 1.0))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise ForageError(
                f"Update {self.done + 1} had a loss or gradient that is not finite: lower the learning rate."
            )
        with gate:
            self._optimizer.step()
            self.done, self.loss = self.done + 1, loss
        if self._on_update is not None:
            self._on_update(self.done, len(self._batches), loss)
