"""A policy that learns from comparing responses of two weights (ZPG, arXiv 2409.17401): no backward pass.

Half of the siblings of every group are the policy's, half those of the policy perturbed in one random direction, drawn
with the same random numbers. Axes: B sequences, d weights that learn, all of them in one vector.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from forage.core.batch import Batch, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Loss
from forage.core.records import Completion, SampleRequest, SamplingParams
from forage.core.seeds import derive_seed
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.sampler import LocalSampler
from forage.engines.perturbation import Perturbation
from forage.ops.zeroth_order import preference_gap, random_direction, zeroth_order_gradient


class ZerothOrderPolicy:
    """Moves all weights that may learn by lr times the estimated gradient, once for every batch.

    `version` counts these moves and decides the direction of the next one, so that nothing else need be stored.
    """

    def __init__(self, policy: LocalPolicy, perturbation: Perturbation, *, lr: float) -> None:
        self._policy, self._perturbation, self._lr = policy, perturbation, lr
        self._weights = [each for each in policy.model.module.parameters() if each.requires_grad]

    @property
    def model(self) -> LocalModel:
        return self._policy.model

    @property
    def version(self) -> int:
        return self._policy.version

    def measure(self, batch: Batch) -> Forward:
        return self._policy.measure(batch)

    @torch.no_grad()
    def direction(self) -> Tensor:
        """(d,) float32: the unit vector along which the weights are perturbed in this step."""
        size = sum(each.numel() for each in self._weights)
        seed = derive_seed(self._perturbation.seed, "perturbation", self.version)
        return random_direction(size, blocks=self._perturbation.blocks, seed=seed).to(self.model.device)

    @contextmanager
    def perturbed(self) -> Iterator[None]:
        """The model with perturbed weights; afterwards they are what they were, bit for bit."""
        with torch.no_grad():
            kept = parameters_to_vector(self._weights).clone()
            self._put(kept + self._perturbation.radius * self.direction())
        try:
            yield
        finally:
            self._put(kept)

    @torch.no_grad()
    def _put(self, values: Tensor) -> None:
        """Copies values (d,) into the weights, which stay where they lie: a captured graph reads them there."""
        for weight, part in zip(self._weights, values.split([each.numel() for each in self._weights]), strict=True):
            weight.copy_(part.view_as(weight))

    @torch.no_grad()
    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> dict[str, float]:
        batch, settings = train.batch, self._perturbation
        plain, perturbed = _halves(batch)
        reward = batch.reward.cpu()
        gap = preference_gap(reward[plain], reward[perturbed], batch.group.cpu()[plain], floor=settings.floor)
        if settings.random:
            gap *= 1 - 2 * (derive_seed(seed, "sign") % 2)
        gradient = zeroth_order_gradient(gap, self.direction(), radius=settings.radius)
        self._put(parameters_to_vector(self._weights) + self._lr * gradient)
        self._policy.version += 1
        return {"value_gap": gap, "moved": float(self._lr * gradient.norm()), "lr": self._lr}

    def save(self, directory: Path) -> None:
        self._policy.save(directory)

    def optimizer_state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        return {}, {"version": self.version}

    def restore_optimizer(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, float]) -> None:
        self._policy.version = int(numbers["version"])


class PairedSampler:
    """A `Sampler` whose groups are halves: the policy's responses, then the perturbed policy's."""

    def __init__(self, sampler: LocalSampler, policy: ZerothOrderPolicy) -> None:
        self._sampler, self._policy = sampler, policy

    @property
    def version(self) -> int:
        return self._policy.version

    @property
    def tokens_decoded(self) -> int:
        """Of both halves."""
        return self._sampler.tokens_decoded

    def sample(
        self, requests: Sequence[SampleRequest], params: SamplingParams
    ) -> Iterator[tuple[int, tuple[Completion, ...]]]:
        halves = [replace(request, group_size=request.group_size // 2) for request in requests]
        plain = dict(self._sampler.sample(halves, params))
        with self._policy.perturbed():
            perturbed = dict(self._sampler.sample(halves, params))
        for number in range(len(requests)):
            yield number, plain[number] + perturbed[number]


def _halves(batch: Batch) -> tuple[Tensor, Tensor]:
    """The rows of the policy and, in the same order, those of the perturbed one. (B / 2,) int64 each."""
    plain, perturbed = [], []
    for number in batch.group.unique():
        rows = (batch.group == number).nonzero().squeeze(1).cpu()
        if len(rows) % 2:
            raise ForageError(
                f"zpg compares halves of a group, and one has {len(rows)} responses: give an even number."
            )
        plain.append(rows[: len(rows) // 2])
        perturbed.append(rows[len(rows) // 2 :])
    return torch.cat(plain), torch.cat(perturbed)
