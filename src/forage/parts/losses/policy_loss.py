"""The loss of an optimizer step: a surrogate under a reduction, penalties beside it, and what they show.

Axes: B sequences, T tokens.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TokenWeights, TrainBatch
from forage.core.protocols import Forward, Loss, Penalty, Reduction, Shape, StepSignal, Surrogate, Tallies
from forage.ops.divergences import k3
from forage.ops.masked import masked, masked_sum
from forage.ops.ratios import token_ratio
from forage.parts.losses.planning_tallies import planning_tallies
from forage.parts.losses.reduction import TokenMean
from forage.parts.losses.surrogate import PPOClip


@dataclass(frozen=True, kw_only=True)
class PolicyLoss(Loss):
    """sum_t w_t * surrogate_t + sum over penalties of coefficient * mean per learned token.

    `shapes` act on a copy of the advantages in every call, with the current policy's entropy as the signal `entropy`:
    the stored advantages stay as they are, so several passes over a batch cannot compound a bonus. `step_signals` are
    settled once per optimizer step, for shapes and penalties that must not see where micro-batches are cut.

    A token whose behavior log-probability is not finite (some engines return NaN where a probability is next to 1) is
    left out of the surrogate and of its denominator, and counted as `unmeasured`.
    """

    surrogate: Surrogate = field(default_factory=PPOClip)
    reduction: Reduction = field(default_factory=TokenMean)
    penalties: tuple[Penalty, ...] = ()
    shapes: tuple[Shape, ...] = ()
    step_signals: tuple[StepSignal, ...] = ()

    @property
    def needs(self) -> frozenset[str]:
        needed = frozenset().union(*(part.needs for part in (*self.penalties, *self.shapes, *self.step_signals)))
        return needed - self.provides

    @property
    def provides(self) -> frozenset[str]:
        """The signals that this loss settles itself."""
        return frozenset(signal.name for signal in self.step_signals)

    @property
    def skips_zero_advantage(self) -> bool:
        return not self.penalties and all(shape.keeps_zero for shape in self.shapes)

    def settle(self, train: TrainBatch, look: Callable[[Batch], Forward], state: dict[str, float]) -> TrainBatch:
        if not self.step_signals:
            return train
        forward = look(train.batch)
        settled = {signal.name: signal(forward, train, state) for signal in self.step_signals}
        return replace(train, experience=Experience(train.batch, {**train.signals, **settled}))

    def weigh(self, batch: Batch) -> TokenWeights:
        return TokenWeights(
            surrogate=self.reduction(_measured(batch), batch.weight), penalty=TokenMean()(batch.loss_mask, batch.weight)
        )

    def __call__(self, forward: Forward, train: TrainBatch, weights: TokenWeights) -> tuple[Tensor, Tallies]:
        """The micro-batch's share of the loss, () float32, and its metrics: those of `_observe`, each penalty, and the
        mean of each step signal."""
        measured = _measured(train.batch)
        advantage, shape_tallies = self._shape(forward, train)
        logprob, behaviour = masked(forward.logprob, measured), masked(train.batch.behaviour, measured)
        losses, clipped = self.surrogate(logprob, behaviour, advantage, measured)
        total = (weights.surrogate * losses).sum()
        tallies = {"loss_surrogate": (total.detach(), masked_sum(weights.surrogate, measured)), **shape_tallies}
        for penalty in self.penalties:
            term = penalty(forward, train)
            total = total + penalty.coefficient * (weights.penalty * term).sum()
            tallies[f"{penalty.name}_penalty"] = (term.detach().sum(), train.batch.loss_mask.sum())
        for signal in self.step_signals:
            settled = masked(train.signals[signal.name], train.batch.loss_mask)
            tallies[signal.name] = (settled.sum(), train.batch.loss_mask.sum())
        return total, {**tallies, **_observe(forward, train, advantage, clipped)}

    def _shape(self, forward: Forward, train: TrainBatch) -> tuple[Tensor, Tallies]:
        """A new (B, T) tensor of advantages after all shapes, and what the shapes have to say."""
        loss_mask = train.batch.loss_mask
        counts = loss_mask & ~train.batch.reward.isnan()[:, None]
        signals: Mapping[str, Tensor] = {**train.signals, "entropy": forward.entropy.detach()}
        advantage, tallies = masked(train.advantage, counts), {}
        for shape in self.shapes:
            tallies.update(shape.tallies(advantage, signals, loss_mask))
            advantage = masked(shape(advantage, signals, loss_mask), counts)
        return advantage, tallies


def _measured(batch: Batch) -> Tensor:
    """(B, T) bool: the learned tokens whose log-probability under the sampler is known."""
    return batch.loss_mask & batch.behaviour.isfinite()


@torch.no_grad()
def _observe(forward: Forward, train: TrainBatch, advantage: Tensor, clipped: Tensor) -> Tallies:
    """Means over the tokens that had a forward pass; groups without any advantage may have had none.

    clip_share: tokens that the surrogate held back, clip_high of them with A > 0 and clip_low with A < 0.
    positive_share: tokens with A > 0. ratio, ratio_max: pi / mu per token. kl: KL(mu || pi) to the sampler, estimator
    k3. advantage: mean signed, after shapes. bonus_share: mean |A' - A| over mean |A|, A before all shapes.
    entropy_update, and entropy_positive / entropy_negative where the advantage is above / below 0: nats.
    unmeasured: tokens whose behavior log-probability was not finite.
    """
    batch, measured = train.batch, _measured(train.batch)
    count = measured.sum()
    ratio = token_ratio(forward.logprob, batch.behaviour, measured)
    divergence = k3(masked(batch.behaviour, measured), masked(forward.logprob, measured))
    plain = masked(train.advantage if train.unshaped is None else train.unshaped, batch.loss_mask)
    positive, negative = measured & (advantage > 0), measured & (advantage < 0)
    planning = train.signals.get("planning")
    by_class = {} if planning is None else planning_tallies(planning, advantage, forward.entropy, measured)
    return {
        **by_class,
        "clip_share": (masked_sum(clipped, measured), count),
        "clip_high": (masked_sum(clipped, positive), count),
        "clip_low": (masked_sum(clipped, negative), count),
        "positive_share": (positive.sum(), count),
        "ratio": (masked_sum(ratio, measured), count),
        "ratio_max": (masked(ratio, measured).amax(), count),
        "kl": (divergence.sum(), count),
        "advantage": (masked_sum(advantage, measured), count),
        "bonus_share": ((advantage - plain).abs().sum(), plain.abs().sum()),
        "entropy_update": (masked_sum(forward.entropy, batch.loss_mask), batch.loss_mask.sum()),
        "entropy_positive": (masked_sum(forward.entropy, positive), positive.sum()),
        "entropy_negative": (masked_sum(forward.entropy, negative), negative.sum()),
        "unmeasured": ((batch.loss_mask & ~measured).sum(), batch.loss_mask.sum()),
    }
