"""How a policy thinks partly in embeddings: the gates' beginning and their learning rates (HRPO, arXiv 2505.18454)."""

import math
from dataclasses import dataclass

from forage.core.errors import ForageError


@dataclass(frozen=True, kw_only=True)
class HybridThinking:
    """Gates between what was written and what was expected, see `forage.ops.latent_thinking`.

    The least share that is kept of an embedding begins uniformly in [`lambda_min`, `lambda_max`]; with both 1 the gates
    are shut and stay so. Blending ends with the token that completes `marker`; an empty one never comes. `gate_lr` is
    the learning rate of the matrices, `lambda_lr` that of the least shares. `seed` decides where the gates begin. With
    `dealt` the probabilities of each place are dealt anew among the tokens before they are averaged: the control.
    Raises ForageError for settings out of range.
    """

    lambda_min: float = 0.99
    lambda_max: float = 0.999
    marker: str = "####"
    gate_lr: float = 1e-4
    lambda_lr: float = 1e-3
    dealt: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.lambda_min <= self.lambda_max <= 1:
            raise ForageError(
                "Of an embedding at least a share between lambda_min and lambda_max is kept, in this order above 0 "
                f"and at most 1, not {self.lambda_min} and {self.lambda_max}."
            )
        for name in ("gate_lr", "lambda_lr"):
            rate = getattr(self, name)
            if not (math.isfinite(rate) and rate >= 0):
                raise ForageError(f"{name} is a learning rate, 0 or more, not {rate}.")
