"""Credit from preferences between steps: the pull of the direct preference loss on each token.

Axes: B sequences, T tokens, N pairs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.batch import Experience
from forage.core.errors import ForageError
from forage.core.protocols import Assign
from forage.ops.masked import masked
from forage.ops.mismatch import known
from forage.ops.preferences import preference_pull


@dataclass(frozen=True, kw_only=True)
class StepPreference(Assign):
    """beta * pull of its pair on every token of a preferred step, minus that on those of the other, times B / N.

    With the surrogate `Reinforce` and a sum over tokens divided by B, the gradient of the loss is then that of the mean
    over pairs of the direct preference loss with smoothed labels (arXiv 2405.00451), exactly so where the policy is the
    one that sampled: the pull is taken from the sampler's log-probabilities. What siblings are worth acts through the
    pairs alone. The part of two responses before they differ is in no pair, and a token whose log-probability the
    sampler does not know (NaN) counts nothing in its own. Raises ForageError for a beta of 0 or less.
    """

    beta: float = 0.1

    needs = frozenset({"step_pair", "pair_smoothing", "reference"})

    def __post_init__(self) -> None:
        if not self.beta > 0:
            raise ForageError(f"beta weighs the distance to the reference, so it must be above 0, not {self.beta}.")

    def __call__(self, value: Tensor, experience: Experience) -> Tensor:
        batch, signals = experience.batch, experience.signals
        judged = batch.loss_mask & ~value.isnan()[:, None]
        number = masked(signals["step_pair"], judged)
        index, sign = number.abs().long(), number.sign().double()
        amount = int(index.max()) if index.numel() else 0
        measured = known(batch.behaviour, index > 0)
        distance = masked((batch.behaviour - signals["reference"]).double(), measured)
        smoothing = torch.zeros(amount + 1, dtype=torch.float64, device=number.device)
        smoothing[index.flatten()] = masked(signals["pair_smoothing"], judged).double().flatten()
        margin = torch.zeros_like(smoothing).scatter_add(0, index.flatten(), (sign * distance).flatten())
        pull = preference_pull(self.beta * margin, smoothing)
        return masked(sign * self.beta * pull[index] * len(batch) / max(len(index[index > 0].unique()), 1), index > 0)
