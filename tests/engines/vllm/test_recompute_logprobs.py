"""A policy that reads its rollouts again: one pass, honest metrics, no correction where there is nothing to correct."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.collate import with_entropy
from forage.core.protocols import Forward, Loss, Policy
from forage.engines.vllm.recompute_logprobs import RecomputeLogprobs
from forage.engines.vllm.settings import Vllm
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.truncated import WEIGHT, Truncated
from laws import make_train


class Below(Policy):
    """Says fixed numbers and keeps what it is given to learn from."""

    def __init__(self, forward: Forward) -> None:
        self.forward, self.passes, self.updates = forward, 0, 4
        self.learned: tuple[TrainBatch, Loss] | None = None

    @property
    def version(self) -> int:
        return self.updates

    def measure(self, batch: Batch) -> Forward:
        self.passes += 1
        return self.forward

    def improve(self, train: TrainBatch, loss: Loss, *, seed: int) -> Mapping[str, float]:
        self.learned = (train, loss)
        return {"loss": 1.0, "entropy_update": 2.0}


def below_of(train: TrainBatch, *, distance: float) -> Below:
    moved = torch.where(train.batch.loss_mask, train.batch.behaviour + distance, 0)
    return Below(Forward(moved, torch.where(train.batch.loss_mask, 0.5, 0.0)))


LOSS = PolicyLoss()


def learned(below: Below) -> tuple[TrainBatch, Loss]:
    assert below.learned
    return below.learned


@pytest.mark.parametrize("cap", [0.0, 2.0])
def test_engines_that_agree_learn_as_without(cap: float) -> None:
    train = make_train(1)
    below = below_of(train, distance=0.0)
    metrics = RecomputeLogprobs(below, Vllm(cap=cap)).improve(train, LOSS, seed=0)
    assert learned(below) == (train, LOSS)
    assert learned(below)[0] is train
    assert (metrics["mismatch"], metrics["mismatch_max"], metrics["entropy"]) == (0, 0, 0.5)
    assert "mismatch_weight" not in metrics


def test_without_a_cap_the_mismatch_is_measured_and_left() -> None:
    train = make_train(1)
    below = below_of(train, distance=0.1)
    metrics = RecomputeLogprobs(below, Vllm(cap=0)).improve(train, LOSS, seed=0)
    assert learned(below)[0] is train
    assert metrics["mismatch"] == pytest.approx(0.1, rel=1e-4)
    assert metrics["loss"] == 1.0


def test_with_a_cap_ratios_start_at_one_and_weights_carry_the_difference() -> None:
    train = make_train(1)
    unknown = train.batch.loss_mask.nonzero()[0]
    behaviour = train.batch.behaviour.clone()
    behaviour[unknown[0], unknown[1]] = torch.nan
    train = replace(train, experience=Experience(replace(train.batch, behaviour=behaviour), train.signals))
    below = below_of(make_train(1), distance=1.0)
    metrics = RecomputeLogprobs(below, Vllm(cap=2.0)).improve(train, LOSS, seed=0)
    given, loss = learned(below)
    assert loss == Truncated(loss=LOSS)
    seen = train.batch.loss_mask & behaviour.isfinite()
    assert torch.equal(given.batch.behaviour[seen], below.forward.logprob[seen])
    assert bool(given.batch.behaviour[unknown[0], unknown[1]].isnan())  # PolicyLoss leaves it out, and counts it
    assert torch.equal(given.signals[WEIGHT], torch.where(seen, 2.0, 1.0))  # e > 2
    assert (metrics["mismatch_weight"], metrics["mismatch_truncated"]) == (2.0, 1.0)
    assert metrics["mismatch_unknown"] == pytest.approx(1 / int(train.batch.loss_mask.sum()))
    assert torch.equal(train.batch.behaviour[seen], make_train(1).batch.behaviour[seen])  # never in place


def test_entropies_that_the_sampler_did_not_tell_cost_no_second_pass() -> None:
    train = make_train(1)
    below = below_of(train, distance=0.0)
    policy = RecomputeLogprobs(below, Vllm(cap=0))
    silent = replace(train.batch, entropy=torch.where(train.batch.loss_mask, torch.nan, 0.0))
    told = with_entropy(silent, policy.measure)
    assert torch.equal(told.entropy, below.forward.entropy)
    policy.improve(replace(train, experience=Experience(told, train.signals)), LOSS, seed=0)
    assert below.passes == 1
    below.updates = 5
    policy.measure(told)
    policy.measure(told)
    assert below.passes == 2


def test_entropies_that_were_told_stay() -> None:
    train = make_train(1)

    def never(batch: Batch) -> Forward:
        raise AssertionError

    assert with_entropy(train.batch, never) is train.batch
    half = train.batch.entropy.clone()
    place = train.batch.loss_mask.nonzero()[0]
    half[place[0], place[1]] = torch.nan
    told = with_entropy(replace(train.batch, entropy=half), below_of(train, distance=0.0).measure)
    assert told.entropy[place[0], place[1]] == 0.5
    rest = train.batch.loss_mask.clone()
    rest[place[0], place[1]] = False
    assert torch.equal(told.entropy[rest], train.batch.entropy[rest])


def test_masked_weights_reach_the_loss_and_their_share_the_metrics() -> None:
    train = make_train(1)
    below = below_of(train, distance=0.2)
    metrics = RecomputeLogprobs(below, Vllm(cap=1.0, correction="mask", floor=0.9)).improve(train, LOSS, seed=0)
    assert metrics["mismatch_masked"] == 1  # every ratio is exp(.2), above the cap
    assert learned(below)[0].signals[WEIGHT][train.batch.loss_mask].abs().max() == 0
    assert "mismatch_truncated" not in metrics
