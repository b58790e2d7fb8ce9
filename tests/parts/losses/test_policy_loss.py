import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Reduction, Shape, Surrogate, Tallies
from forage.ops.divergences import k3
from forage.parts.credit.shape.constant_bonus import ConstantBonus
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.group_reweight import GroupReweight
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from forage.parts.losses.penalty import EntropyPenalty, KLPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength, SequenceMean, TokenMean
from forage.parts.losses.surrogate import CISPO, GSPO, PPOClip, Reinforce
from laws import REDUCTIONS, SURROGATES, Untouched, make_forward, make_train, pad_experience, padded, planted

EXTRAS: list[dict[str, Any]] = [
    {},
    {"shapes": (EntropyBonus(), GroupReweight(at="update"))},
    {"shapes": (ShuffledEntropyBonus(),), "penalties": (KLPenalty(coefficient=0.3),)},
    {"shapes": (UnclippedEntropyBonus(),), "penalties": (EntropyPenalty(coefficient=0.2),)},
]


def evaluate(loss: PolicyLoss, train: TrainBatch, forward: Forward) -> tuple[Tensor, Tensor, Tensor, Tallies]:
    """Value, both gradients and tallies of a whole optimizer step in one pass."""
    value, tallies = loss(forward, train, loss.weigh(train.batch))
    return value, *gradients(value, forward), tallies


def gradients(value: Tensor, forward: Forward) -> tuple[Tensor, Tensor]:
    leaves = [forward.logprob, forward.entropy]
    found = torch.autograd.grad(value, leaves, allow_unused=True)
    first, second = (torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True))
    return first, second


def in_slices(
    loss: PolicyLoss, train: TrainBatch, forward: Forward, slices: list[Tensor]
) -> tuple[Tensor, list[Tallies]]:
    """The same, summed over micro-batches that are cut to their own width."""
    weights = loss.weigh(train.batch)
    total, tallies = torch.zeros(()), []
    for index in slices:
        width = int(train.batch.lengths[index].max())
        part = Forward(forward.logprob[index, :width], forward.entropy[index, :width])
        value, seen = loss(part, train.rows(index, width), weights.rows(index, width))
        total = total + value
        tallies.append(seen)
    return total, tallies


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
@pytest.mark.parametrize("reduction", REDUCTIONS, ids=repr)
@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_slices_add_up_to_the_whole(surrogate: Surrogate, reduction: Reduction, extra: dict[str, Any]) -> None:
    loss = PolicyLoss(surrogate=surrogate, reduction=reduction, **extra)
    train = make_train()
    forward = make_forward(train)
    value, by_logprob, by_entropy, tallies = evaluate(loss, train, forward)
    order = torch.randperm(len(train.batch), generator=torch.Generator().manual_seed(4))
    slices = list(order.split([1, 4, len(order) - 5]))
    total, seen = in_slices(loss, train, forward, slices)
    torch.testing.assert_close(total, value)
    for got, wanted in zip(gradients(total, forward), (by_logprob, by_entropy), strict=True):
        torch.testing.assert_close(got, wanted)
    for name, (whole, count) in tallies.items():
        if name.endswith("_max"):
            assert max(float(part[name][0]) for part in seen) == float(whole)
        else:
            assert sum(float(part[name][0]) for part in seen) == pytest.approx(float(whole), rel=1e-4, abs=1e-5)
            assert sum(float(part[name][1]) for part in seen) == pytest.approx(float(count), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_skipping_silent_rows_changes_nothing_where_it_is_claimed(surrogate: Surrogate, extra: dict[str, Any]) -> None:
    loss = PolicyLoss(surrogate=surrogate, **extra)
    train = make_train(zero_rows=4)
    forward = make_forward(train)
    active = [(train.advantage != 0).any(dim=1).nonzero().squeeze(1)]
    assert 0 < len(active[0]) < len(train.batch)
    value, by_logprob, _, _ = evaluate(loss, train, forward)
    total, _ = in_slices(loss, train, forward, active)
    equal = torch.allclose(total, value) and torch.allclose(gradients(total, forward)[0], by_logprob)
    assert equal == loss.skips_zero_advantage


def test_who_may_skip() -> None:
    assert PolicyLoss().skips_zero_advantage
    assert PolicyLoss(shapes=(EntropyBonus(),)).skips_zero_advantage
    assert not PolicyLoss(shapes=(EntropyBonus(), UnclippedEntropyBonus())).skips_zero_advantage
    assert not PolicyLoss(penalties=(EntropyPenalty(coefficient=0.1),)).skips_zero_advantage


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
def test_padding_nan_and_order_do_not_matter(extra: dict[str, Any]) -> None:
    loss = PolicyLoss(**extra)
    train = make_train()
    forward = make_forward(train)
    value, by_logprob, _, tallies = evaluate(loss, train, forward)
    experience = pad_experience(train.experience)
    loss_mask = experience.batch.loss_mask
    wide = TrainBatch(experience, planted(padded(train.advantage), loss_mask))
    garbage = Forward(
        planted(padded(forward.logprob.detach()), loss_mask).requires_grad_(),
        planted(padded(forward.entropy.detach()), loss_mask).requires_grad_(),
    )
    wide_value, wide_grad, _, wide_tallies = evaluate(loss, wide, garbage)
    for name, pair in tallies.items():
        if name != "bonus_share":  # it is measured from `unshaped`, which this batch does not have
            torch.testing.assert_close(wide_tallies[name], pair)
    assert all(number.isfinite() for pair in wide_tallies.values() for number in pair)
    torch.testing.assert_close(wide_value, value)
    torch.testing.assert_close(wide_grad, padded(by_logprob))
    assert (wide_grad[~loss_mask] == 0).all()


def test_the_stored_advantages_are_never_touched() -> None:
    """Two passes read the same numbers: a bonus that was added in place would compound."""
    loss = PolicyLoss(shapes=(EntropyBonus(),))
    train = make_train()
    forward = make_forward(train)
    with Untouched(train, forward):
        first = evaluate(loss, train, forward)
        second = evaluate(loss, train, forward)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


def test_update_shapes_see_the_current_entropy_and_pass_no_gradient() -> None:
    train = make_train()
    forward = make_forward(train)
    value, by_logprob, by_entropy, _ = evaluate(PolicyLoss(shapes=(EntropyBonus(),)), train, forward)
    current = {**train.signals, "entropy": forward.entropy.detach()}
    settled = EntropyBonus()(train.advantage, current, train.batch.loss_mask)
    assert not torch.allclose(settled, EntropyBonus()(train.advantage, train.signals, train.batch.loss_mask))
    wanted, wanted_grad, _, _ = evaluate(PolicyLoss(), TrainBatch(train.experience, settled), forward)
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(by_logprob, wanted_grad)
    assert (by_entropy == 0).all()


@dataclass(frozen=True, kw_only=True)
class Careless(Shape):
    """A shape that forgets to detach the entropy."""

    at = "update"

    def __call__(self, advantage: Tensor, signals: Mapping[str, Tensor], loss_mask: Tensor) -> Tensor:
        return advantage * (1 + signals["entropy"])


def test_a_careless_shape_cannot_leak_a_gradient() -> None:
    train = make_train()
    _, by_logprob, by_entropy, _ = evaluate(PolicyLoss(shapes=(Careless(),)), train, make_forward(train))
    assert (by_entropy == 0).all()
    assert (by_logprob != 0).any()


def test_no_strength_is_the_base_bit_for_bit() -> None:
    train = make_train()
    forward = make_forward(train)
    plain = evaluate(PolicyLoss(), train, forward)
    for shape in (EntropyBonus(alpha=0), ShuffledEntropyBonus(alpha=0), EntropyBonus(kappa=math.inf)):
        shaped = evaluate(PolicyLoss(shapes=(shape,)), train, forward)
        assert torch.equal(shaped[0], plain[0])
        assert torch.equal(shaped[1], plain[1])


def test_unknown_behaviour_is_left_out_and_counted() -> None:
    train = make_train(zero_rows=0)
    batch = train.batch
    places = batch.loss_mask.nonzero()[torch.tensor([0, 5, 9])]
    behaviour = batch.behaviour.clone()
    behaviour[places[:, 0], places[:, 1]] = torch.tensor([math.nan, -math.inf, math.nan])
    dirty = TrainBatch(replace(train.experience, batch=replace(batch, behaviour=behaviour)), train.advantage)
    forward = make_forward(train)
    loss = PolicyLoss(penalties=(EntropyPenalty(coefficient=0.1),))
    value, by_logprob, by_entropy, tallies = evaluate(loss, dirty, forward)
    assert value.isfinite()
    assert (by_logprob[places[:, 0], places[:, 1]] == 0).all()
    assert (by_entropy[places[:, 0], places[:, 1]] != 0).all()  # the penalty needs no sampler
    assert [float(number) for number in tallies["unmeasured"]] == [3, float(batch.loss_mask.sum())]
    assert all(total.isfinite() for total, _ in tallies.values())
    weights = loss.weigh(dirty.batch)
    assert weights.surrogate.sum().item() == pytest.approx(1)
    assert weights.penalty.sum().item() == pytest.approx(1)


def test_rows_that_were_not_judged_stay_silent_under_every_shape() -> None:
    train = make_train(zero_rows=0)
    unjudged = train.batch.reward.isnan()
    settled = TrainBatch(train.experience, train.advantage.masked_fill(unjudged[:, None], 0))
    _, by_logprob, _, _ = evaluate(PolicyLoss(shapes=(UnclippedEntropyBonus(),)), settled, make_forward(train))
    assert unjudged.any()
    assert (by_logprob[unjudged] == 0).all()


def test_equal_rewards_teach_nothing_with_or_without_the_bonus() -> None:
    train = make_train()
    silent = TrainBatch(train.experience, torch.zeros_like(train.advantage))
    for shapes in ((), (EntropyBonus(),), (ShuffledEntropyBonus(), GroupReweight(at="update"))):
        value, by_logprob, _, _ = evaluate(PolicyLoss(shapes=shapes), silent, make_forward(train))
        assert value == 0
        assert (by_logprob == 0).all()


# --------------------------------------------------------------------------------------------- penalties and tallies


def test_penalties_are_means_per_token_whatever_the_loss_averages() -> None:
    train = make_train()
    forward, loss_mask, weight = make_forward(train), train.batch.loss_mask, train.batch.weight
    mean = (weight[:, None] * forward.entropy.detach() * loss_mask).sum() / (weight[:, None] * loss_mask).sum()
    for reduction in (TokenMean(), SequenceMean(), FixedLength(length=100)):
        without = evaluate(PolicyLoss(reduction=reduction), train, forward)[0]
        entropy = EntropyPenalty(coefficient=0.5)
        value = evaluate(PolicyLoss(reduction=reduction, penalties=(entropy,)), train, forward)[0]
        assert (value - without).item() == pytest.approx(-0.5 * mean.item(), rel=1e-4)


def test_a_positive_entropy_penalty_raises_the_entropy() -> None:
    train = make_train()
    _, _, by_entropy, _ = evaluate(PolicyLoss(penalties=(EntropyPenalty(coefficient=0.5),)), train, make_forward(train))
    assert (by_entropy[train.batch.loss_mask] < 0).all()  # descending the loss climbs the entropy


def test_kl_penalty_by_hand() -> None:
    train = make_train()
    batch = train.batch
    forward = make_forward(train)
    ahead = TrainBatch(
        replace(train.experience, signals={"reference": forward.logprob.detach() - 0.5}), train.advantage
    )
    # log pi - log ref = .5 everywhere: k1 .5, k2 .125, k3 e^-.5 - 1 + .5 = .10653
    for estimator, wanted in (("k1", 0.5), ("k2", 0.125), ("k3", 0.10653)):
        term = KLPenalty(coefficient=1, estimator=estimator)(forward, ahead)  # pyright: ignore[reportArgumentType]
        assert term[batch.loss_mask].tolist() == pytest.approx([wanted] * int(batch.loss_mask.sum()), abs=1e-5)


def test_wrong_coefficients_are_refused() -> None:
    for number in (-0.1, math.nan, math.inf):
        with pytest.raises(ForageError, match="coefficient"):
            KLPenalty(coefficient=number)
    with pytest.raises(ForageError, match="coefficient"):
        EntropyPenalty(coefficient=math.nan)
    with pytest.raises(ForageError, match="no KL estimator"):
        KLPenalty(coefficient=0.1, estimator="k4")  # pyright: ignore[reportArgumentType]


def test_needs_are_the_union() -> None:
    loss = PolicyLoss(penalties=(KLPenalty(coefficient=0.1),), shapes=(ShuffledEntropyBonus(),))
    assert loss.needs == {"reference", "entropy", "noise"}
    assert PolicyLoss().needs == frozenset()


def test_tallies_against_their_definitions() -> None:
    train = make_train()
    forward, batch = make_forward(train), train.batch
    loss_mask = batch.loss_mask
    loss = PolicyLoss(shapes=(EntropyBonus(),), penalties=(EntropyPenalty(coefficient=0.1),))
    tallies = evaluate(loss, train, forward)[3]
    means = {name: float(total) / float(count) for name, (total, count) in tallies.items()}
    entropy, ratio = forward.entropy.detach(), (forward.logprob.detach() - batch.behaviour).exp()
    shaped = EntropyBonus()(train.advantage, {"entropy": entropy}, loss_mask)
    clipped = ((shaped > 0) & (ratio > 1.2)) | ((shaped < 0) & (ratio < 0.8))
    wanted = {
        "clip_share": clipped[loss_mask].float().mean(),
        "clip_high": (clipped & (shaped > 0))[loss_mask].float().mean(),
        "clip_low": (clipped & (shaped < 0))[loss_mask].float().mean(),
        "positive_share": (shaped > 0)[loss_mask].float().mean(),
        "ratio": ratio[loss_mask].mean(),
        "kl": k3(batch.behaviour, forward.logprob.detach())[loss_mask].mean(),
        "advantage": shaped[loss_mask].mean(),
        "bonus_share": (shaped - train.advantage).abs().sum() / train.advantage.abs().sum(),
        "entropy_update": entropy[loss_mask].mean(),
        "entropy_positive": entropy[loss_mask & (shaped > 0)].mean(),
        "entropy_negative": entropy[loss_mask & (shaped < 0)].mean(),
        "entropy_penalty": -entropy[loss_mask].mean(),
        "unmeasured": torch.zeros(()),
    }
    for name, value in wanted.items():
        assert means[name] == pytest.approx(float(value), rel=1e-4, abs=1e-6), name
    assert float(tallies["ratio_max"][0]) == pytest.approx(float(ratio[loss_mask].max()))
    by_class = {name for name in tallies if "planning" in name or "execution" in name}  # test_planning_tallies.py
    assert set(tallies) - by_class == {*wanted, "ratio_max", "loss_surrogate", "bonus_saturated"}
    assert not any(total.requires_grad for total, _ in tallies.values())


def test_bonus_share_counts_shapes_of_both_moments() -> None:
    train = make_train()
    assert train.unshaped is not None
    settled = ConstantBonus()(train.unshaped, train.signals, train.batch.loss_mask)
    shaped = TrainBatch(train.experience, settled, train.unshaped)
    total, size = evaluate(PolicyLoss(), shaped, make_forward(train))[3]["bonus_share"]
    c = float((settled - train.unshaped).sum() / train.unshaped.abs().sum())
    assert float(total / size) == pytest.approx(c)
    assert 0.05 < c < 0.5


def test_every_surrogate_lands_under_every_reduction() -> None:
    train = make_train()
    forward = make_forward(train)
    for surrogate, reduction in itertools.product(
        (Reinforce(), PPOClip(), GSPO(low=0.2, high=0.2), CISPO()), (TokenMean(), SequenceMean(), FixedLength(length=9))
    ):
        grad = evaluate(PolicyLoss(surrogate=surrogate, reduction=reduction), train, forward)[1]
        assert grad.abs().sum() > 0.01
