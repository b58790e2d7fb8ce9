"""A policy whose rollouts another engine drew: it reads them again before it learns from them.

One pass over a step's sequences gives what the trainer's own numbers say: the entropies that parts need, how far the
two engines lie apart, and the importance weights that correct for it.

Axes: B sequences, T tokens.
"""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.protocols import Forward, Loss, Policy
from forage.engines.vllm.settings import Vllm
from forage.ops.masked import masked
from forage.ops.mismatch import importance_weight, known, mismatch
from forage.parts.losses.truncated import WEIGHT, Truncated


class RecomputeLogprobs(Policy):
    """Around a policy: `improve` reports the mismatch with the sampler, and corrects for it where there is a `cap`.

    Corrected: the ratio that the loss holds in bounds is pi / pi_old, both by the trainer, and every token's surrogate
    is weighted by pi_old / mu, held in the bounds of the settings. Where the engines agree bit for bit the policy below
    sees what it always saw.
    """

    def __init__(self, policy: Policy, settings: Vllm) -> None:
        self._policy, self._settings = policy, settings
        self._read: tuple[Tensor, int, Forward] | None = None

    @property
    def version(self) -> int:
        return self._policy.version

    def measure(self, batch: Batch) -> Forward:
        """The pass over a batch's tokens is kept until others come or weights change: two questions, one pass."""
        if self._read is None or self._read[0] is not batch.tokens or self._read[1] != self.version:
            self._read = (batch.tokens, self.version, self._policy.measure(batch))
        return self._read[2]

    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> Mapping[str, float]:
        batch = train.batch
        forward = self.measure(batch)
        self._read = None
        seen = mismatch(forward.logprob, batch.behaviour, batch.loss_mask)
        seen["entropy"] = float(masked(forward.entropy, batch.loss_mask).sum() / batch.loss_mask.sum())
        if self._settings.cap and seen["mismatch_max"] > 0:
            train, loss = self._corrected(train, forward), Truncated(loss=loss)
            weight = train.signals[WEIGHT][known(batch.behaviour, batch.loss_mask)]
            seen["mismatch_weight"] = float(weight.mean())
            masks = self._settings.correction == "mask"
            held = weight == 0 if masks else weight >= self._settings.cap
            seen["mismatch_masked" if masks else "mismatch_truncated"] = float(held.float().mean())
        return {**self._policy.improve(train, loss, seed=seed), **seen}

    def _corrected(self, train: TrainBatch, forward: Forward) -> TrainBatch:
        batch = train.batch
        bounds = self._settings
        weight = importance_weight(
            forward.logprob,
            batch.behaviour,
            batch.loss_mask,
            cap=bounds.cap,
            rule=bounds.correction,
            level=bounds.level,
            floor=bounds.floor,
        )
        behaviour = forward.logprob.where(known(batch.behaviour, batch.loss_mask), batch.behaviour)
        signals = {**train.signals, WEIGHT: weight}
        return replace(train, experience=Experience(replace(batch, behaviour=behaviour), signals))
