"""How the weights move: the hyper-parameters of the optimizer and of the passes over a batch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from forage.core.errors import ForageError, check_numbers
from forage.core.seeds import derive_seed
from forage.engines.perturbation import Perturbation


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """AdamW with linear warm-up, and how a step's sequences are cut.

    `mini_batches` optimizer steps per epoch, whole groups each; `epochs` passes over the batch. `micro_tokens` bounds
    the tokens of one forward pass, padded, or packed where starts are shared: it trades memory for speed and changes
    gradients by rounding only; with None a run chooses it by the memory there is, and records it. After `max_skips`
    non-finite updates in a row the run stops. With a `perturbation` the weights move by comparisons instead, once a
    batch and by `lr` times the estimate; all but `lr` is then without effect.
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.0
    warmup: int = 0
    grad_clip: float = 1.0
    epochs: int = 1
    mini_batches: int = 2
    micro_tokens: int | None = 4096
    max_skips: int = 5
    perturbation: Perturbation | None = None

    def __post_init__(self) -> None:
        check_numbers(self)
        if not self.lr > 0:
            raise ForageError(f"The learning rate must be above 0, not {self.lr}.")
        if min(self.epochs, self.mini_batches, self.tokens_per_pass, self.max_skips) < 1:
            raise ForageError("epochs, mini_batches, micro_tokens and max_skips must be at least 1.")
        if not self.grad_clip > 0:
            raise ForageError(f"grad_clip must be above 0 (use inf for no clipping), not {self.grad_clip}.")

    @property
    def tokens_per_pass(self) -> int:
        """`micro_tokens`, or its default where nobody has chosen."""
        return 4096 if self.micro_tokens is None else self.micro_tokens


def warmup_cosine(step: int, *, steps: int) -> float:
    """The share of the learning rate at `step` (from 0): linear up over a twentieth of `steps`, then a cosine to 0."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def shuffled_batches(amount: int, size: int, *, epoch: int, seed: int, name: str = "epoch") -> Iterator[list[int]]:
    """Rows 0 to `amount` - 1 of one pass in an order of its own, `size` at a time; the last batch may be smaller."""
    generator = torch.Generator().manual_seed(derive_seed(seed, name, epoch))
    for index in torch.randperm(amount, generator=generator).split(size):
        yield index.tolist()
