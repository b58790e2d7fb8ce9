"""A policy that learns to think partly in embeddings: weights and gates together (HRPO, arXiv 2505.18454).

Axes: B sequences, T tokens, N learned tokens, d width of an embedding.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Policy
from forage.engines.distributed.process_group import Alone
from forage.engines.local.hybrid_sampler import HybridBatch, Reader
from forage.engines.local.latent_gates import LatentGates, embedded
from forage.engines.local.model import LocalModel
from forage.engines.local.placement import Whole
from forage.engines.local.policy import LocalPolicy, Objective
from forage.engines.optimization import Optimization


class HybridPolicy(LocalPolicy):
    """A local policy whose learned tokens are read as blends, as `HybridSampler` reads them.

    What was expected is found once, before the weights move, and is a constant of all updates of a batch; gradients go
    through the gates and the embeddings of tokens. The gates have learning rates of their own. `rows` sequences are
    read again at a time.
    """

    def __init__(
        self,
        model: LocalModel,
        gates: LatentGates,
        optimization: Optimization,
        *,
        temperature: float,
        rows: int = 256,
    ) -> None:
        self.gates = gates
        self.reader = Reader(model, gates, temperature=temperature, rows=rows)
        placement = Whole(model, Alone(), beside=gates.parameters())
        super().__init__(model, optimization, temperature=temperature, placement=placement, share_starts=False)

    def parameter_groups(self) -> list[dict[str, Any]]:
        settings, own = self.gates.settings, {id(each) for each in self.gates.parameters()}
        decay = self.gates.decay
        return [
            {"params": [each for each in self._parameters if id(each) not in own], "pace": 1.0},
            {
                "params": [each for each in self.gates.parameters() if each is not decay],
                "pace": settings.gate_lr / self._settings.lr,
            },
            {"params": [decay], "pace": settings.lambda_lr / self._settings.lr},
        ]

    def scoring(self, model: LocalModel, batch: Batch) -> Tensor:
        """(N, d): blends are read in a `HybridBatch`, plain tokens in any other batch."""
        if not isinstance(batch, HybridBatch):
            return super().scoring(model, batch)
        tokens, thinking = batch.tokens[:, :-1], batch.thinking[:, :-1]
        plain = embedded(model, tokens)
        blends = self.gates(plain[thinking], batch.expected[:, :-1][thinking])
        inputs = plain.index_put(thinking.nonzero(as_tuple=True), blends)
        return model.hidden(tokens, embeds=inputs)[batch.loss_mask[:, 1:]]

    def measure(self, batch: Batch) -> Forward:
        return super().measure(self.reader.read(batch))

    def measure_plain(self, batch: Batch) -> Forward:
        """As `measure`, by the model without its gates."""
        return super().measure(batch)

    def improve(self, train: TrainBatch, loss: Objective[Forward], *, seed: int) -> dict[str, float]:
        batch = self.reader.read(train.batch)
        kept = self._kept(batch)
        shown = None if train.demonstrations is None else self.reader.read(train.demonstrations)
        train = replace(train, experience=Experience(batch, train.signals), demonstrations=shown)
        return {**super().improve(train, loss, seed=seed), **kept}

    def save(self, directory: Path) -> None:
        super().save(directory)
        self.gates.save(directory)

    @torch.no_grad()
    def _kept(self, batch: HybridBatch) -> dict[str, float]:
        """The mean of a over blended tokens and dimensions: how much of their embeddings is kept."""
        if not bool(batch.thinking.any()):
            return {}
        tokens = batch.tokens[batch.thinking].to(self.model.device)
        return {"kept_share": float(self.gates.kept(embedded(self.model, tokens)).mean())}


class BelowGates(Policy):
    """The policy without its gates, for what lies below an adapter. It cannot learn."""

    def __init__(self, policy: HybridPolicy) -> None:
        self._policy = policy

    @property
    def version(self) -> int:
        return 0

    def measure(self, batch: Batch) -> Forward:
        return self._policy.measure_plain(batch)

    def improve(self, train: Any, loss: Any, *, seed: int) -> Mapping[str, float]:
        raise ForageError("The reference is the model without gates, and nothing changes it.")
