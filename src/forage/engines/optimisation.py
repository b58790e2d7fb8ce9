"""How the weights move: the hyper-parameters of the optimiser and of the passes over a batch."""

from dataclasses import dataclass

from forage.errors import ForageError


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """AdamW with linear warm-up, and how a step's sequences are cut.

    `mini_batches` optimiser steps per epoch, whole groups each; `epochs` passes over the batch. `micro_tokens` bounds
    the padded tokens of one forward pass: it trades memory for speed and changes gradients by rounding only. After
    `max_skips` non-finite updates in a row the run stops.
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    warmup: int = 0
    grad_clip: float = 1.0
    epochs: int = 1
    mini_batches: int = 2
    micro_tokens: int = 4096
    max_skips: int = 5

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ForageError(f"The learning rate must be above 0, not {self.lr}.")
        if min(self.epochs, self.mini_batches, self.micro_tokens, self.max_skips) < 1:
            raise ForageError("epochs, mini_batches, micro_tokens and max_skips must be at least 1.")
        if not self.grad_clip > 0:
            raise ForageError(f"grad_clip must be above 0 (use inf for no clipping), not {self.grad_clip}.")
