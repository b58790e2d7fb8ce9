"""The credit of a recipe: baselines, then one assignment, then shapes.

Axes: B sequences, T tokens.
"""

from dataclasses import dataclass, field

import torch

from forage.core.batch import Experience, TrainBatch
from forage.core.protocols import Assign, Baseline, Shape
from forage.ops.masked import masked
from forage.parts.credit.assign.uniform import Uniform


@dataclass(frozen=True, kw_only=True)
class Credit:
    """From rewards (B,) to advantages (B, T). No baselines is REINFORCE; `MeanCentre` alone is Dr. GRPO.

    Shapes of the moment "update" are not applied here: they act inside the loss, on a copy (see `update_shapes`).
    """

    baselines: tuple[Baseline, ...] = ()
    assign: Assign = field(default_factory=Uniform)
    shapes: tuple[Shape, ...] = ()

    def __call__(self, experience: Experience) -> TrainBatch:
        """The settled advantages: float32, exactly 0 off the mask and on the rows that were not judged.

        Shapes see the tokens of judged rows as the learned ones: what was not judged takes no part in a statistic.
        """
        batch = experience.batch
        value = batch.reward.double()
        for baseline in self.baselines:
            value = baseline(value, batch.group)
        counts = batch.loss_mask & ~value.isnan()[:, None]
        unshaped = masked(self.assign(value, experience).to(torch.float32), counts)
        advantage = unshaped
        for shape in self.sampling_shapes:
            advantage = masked(shape(advantage, experience.signals, counts), counts)
            unshaped = advantage if shape.normalizes else unshaped
        return TrainBatch(experience, advantage, unshaped)

    @property
    def sampling_shapes(self) -> tuple[Shape, ...]:
        """The shapes that look at the sampling policy: settled once per batch."""
        return tuple(shape for shape in self.shapes if shape.at == "sampling")

    @property
    def update_shapes(self) -> tuple[Shape, ...]:
        """The shapes that look at the policy being updated: the loss applies them."""
        return tuple(shape for shape in self.shapes if shape.at == "update")

    @property
    def needs(self) -> frozenset[str]:
        """The signals that the assignment and all shapes read."""
        return frozenset().union(self.assign.needs, *(shape.needs for shape in self.shapes))

    @property
    def min_group_size(self) -> int:
        """The smallest group that can get anything but zero."""
        return max((baseline.min_group_size for baseline in self.baselines), default=1)
