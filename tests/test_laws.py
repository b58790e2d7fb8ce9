"""The laws of every seam, on every member. `laws.py` lists the members and what each claims."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import forage.parts.credit
import forage.parts.losses
import forage.parts.signals
from forage.core.batch import Experience, TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Assign, Baseline, Forward, Penalty, Reduction, Shape, Surrogate
from forage.ops.masked import masked
from laws import (
    ASSIGNS,
    BASELINES,
    INFINITY,
    PENALTIES,
    REDUCTIONS,
    SHAPES,
    SURROGATES,
    BaselineCase,
    ShapeCase,
    Untouched,
    make_experience,
    make_forward,
    make_train,
    members_of,
    open_experience,
    opened,
    pad_experience,
    padded,
    plant,
    planted,
)


def same(got: Tensor, wanted: Tensor, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize(
    ("package", "seam", "listed"),
    [
        (forage.parts.credit, Baseline, [case.part for case in BASELINES]),
        (forage.parts.credit, Assign, ASSIGNS),
        (forage.parts.credit, Shape, [case.part for case in SHAPES]),
        (forage.parts.losses, Surrogate, SURROGATES),
        (forage.parts.losses, Reduction, REDUCTIONS),
        (forage.parts.losses, Penalty, PENALTIES),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_member_is_listed(package: Any, seam: type, listed: list[object]) -> None:
    assert members_of(package, seam) == {type(part) for part in listed}


# --------------------------------------------------------------------------------------------------------- baselines


def values(case: BaselineCase, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three groups of five, one value of each not judged; float64."""
    draw = torch.Generator().manual_seed(seed)
    value = torch.randint(0, 4 if case.degree is not None else 2, (15,), generator=draw).double()
    value = value / 2 if case.degree is not None else value
    value[torch.tensor([2, 6, 13])] = torch.nan
    return value, torch.tensor([7, 3, 9]).repeat(5)


@pytest.mark.parametrize("case", BASELINES, ids=repr)
class TestBaselines:
    def test_unjudged_values_stay_and_take_no_part(self, case: BaselineCase) -> None:
        value, group = values(case)
        judged = ~value.isnan()
        result = case.part(value, group)
        assert torch.equal(result.isnan(), ~judged)
        same(result[judged], case.part(value[judged], group[judged]))

    def test_order_and_names_of_groups_do_not_matter(self, case: BaselineCase) -> None:
        value, group = values(case)
        order = torch.randperm(len(value), generator=torch.Generator().manual_seed(1))
        same(case.part(value[order], group[order] * 2 - 5), case.part(value, group)[order])

    def test_groups_do_not_mix(self, case: BaselineCase) -> None:
        value, group = values(case)
        alone = group == 3
        same(case.part(value[alone], group[alone]), case.part(value, group)[alone])

    def test_scale_and_shift(self, case: BaselineCase) -> None:
        value, group = values(case)
        result = case.part(value, group)
        if case.degree is None:
            with pytest.raises(ForageError, match="exactly 0 or 1"):
                case.part(3 * value, group)
            return
        same(case.part(3 * value, group), 3**case.degree * result, 1e-5)
        shifted = case.part(value + 100, group)
        assert torch.allclose(shifted, result, equal_nan=True) == case.shift

    def test_equal_rewards_get_exactly_zero(self, case: BaselineCase) -> None:
        if case.degree is None:  # nothing is compared, so what siblings got cannot matter
            value, group = values(case)
            same(case.part(value, group), case.part(value, torch.arange(len(value))))
            return
        for number in (0.1, -7.3, 1e6):
            result = case.part(torch.full((6,), number), torch.tensor([0, 0, 0, 1, 1, 2]))
            assert (result == 0).all()

    def test_min_siblings_is_the_smallest_group_that_gets_anything(self, case: BaselineCase) -> None:
        for size in range(1, 5):
            value, group = torch.arange(size, dtype=torch.float64), torch.zeros(size, dtype=torch.int64)
            tried = [value] if case.degree is not None else [torch.zeros_like(value), torch.ones_like(value)]
            moved = any(bool((case.part(one, group) != 0).any()) for one in tried)
            assert moved == (size >= case.part.min_group_size)

    def test_nothing_is_changed_in_place(self, case: BaselineCase) -> None:
        value, group = values(case)
        with Untouched(value, group):
            case.part(value, group)


# ------------------------------------------------------------------------------------------------------- assignments


@pytest.mark.parametrize("part", ASSIGNS, ids=repr)
class TestAssigns:
    def call(self, part: Assign, experience: Experience) -> Tensor:
        return part(experience.batch.reward.double(), experience)

    def test_zero_off_the_mask_and_where_not_judged(self, part: Assign) -> None:
        experience = make_experience()
        result = self.call(part, experience)
        assert (result[~experience.batch.loss_mask] == 0).all()
        assert (result[experience.batch.reward.isnan()] == 0).all()
        assert (result != 0).any()

    def test_padding_and_nan_off_the_mask_do_not_matter(self, part: Assign) -> None:
        experience = make_experience()
        result = self.call(part, experience)
        same(self.call(part, plant(experience)), result)
        same(self.call(part, pad_experience(experience)), padded(result))

    def test_tokens_off_the_mask_do_not_exist(self, part: Assign) -> None:
        experience = make_experience()
        place = torch.arange(experience.batch.tokens.shape[1]).expand(experience.batch.tokens.shape)
        step = torch.where(experience.batch.loss_mask, place // 2, -1)
        reward = masked(torch.sin(place.float()), experience.batch.loss_mask)
        experience = replace(experience, batch=replace(experience.batch, step=step, step_reward=reward))
        same(self.call(part, open_experience(experience)), opened(self.call(part, experience)))

    def test_rows_go_their_own_way(self, part: Assign) -> None:
        # One of three pairs of steps, whole: a third of the rows, so that means over rows and over pairs agree.
        experience, index = make_experience(), torch.tensor([7, 10, 1, 4])
        same(self.call(part, experience.rows(index)), self.call(part, experience)[index])

    def test_nothing_is_changed_in_place(self, part: Assign) -> None:
        experience = make_experience()
        with Untouched(experience):
            self.call(part, experience)


# ------------------------------------------------------------------------------------------------------------ shapes


def shaped(part: Shape, train: TrainBatch) -> Tensor:
    return part(train.advantage, train.signals, train.batch.loss_mask)


def with_experience(train: TrainBatch, experience: Experience) -> TrainBatch:
    width = experience.batch.tokens.shape[1] - train.advantage.shape[1]
    return TrainBatch(experience, padded(train.advantage, width))


@pytest.mark.parametrize("case", SHAPES, ids=lambda case: repr(case.part))
class TestShapes:
    def test_it_lands(self, case: ShapeCase) -> None:
        train = make_train()
        assert (shaped(case.part, train) - train.advantage).abs().max() > 1e-3

    def test_claimed_bounds_and_signs(self, case: ShapeCase) -> None:
        for seed in range(5):
            train = make_train(seed)
            change, size = shaped(case.part, train) - train.advantage, train.advantage.abs()
            if case.low > -INFINITY:
                assert (change >= case.low * size - 1e-6).all()
            if case.high < INFINITY:
                assert (change <= case.high * size + 1e-6).all()
                assert torch.equal(shaped(case.part, train).sign(), train.advantage.sign())

    def test_claim_about_zero(self, case: ShapeCase) -> None:
        train = make_train()
        zero = train.batch.loss_mask & (train.advantage == 0)
        assert zero.any()
        assert bool((shaped(case.part, train)[zero] == 0).all()) == case.part.keeps_zero

    def test_identity_bit_for_bit(self, case: ShapeCase) -> None:
        train = make_train()
        if case.identity is None:
            assert case.part.normalizes
            settled = TrainBatch(train.experience, shaped(case.part, train))
            same(shaped(case.part, settled), settled.advantage)
        else:
            assert torch.equal(shaped(case.identity, train), train.advantage)

    def test_float32_and_zero_off_the_mask(self, case: ShapeCase) -> None:
        train = make_train()
        result = shaped(case.part, with_experience(train, plant(train.experience)))
        assert result.dtype == torch.float32
        assert (result[~train.batch.loss_mask] == 0).all()
        same(result, shaped(case.part, train))

    def test_nan_advantages_off_the_mask_do_not_matter(self, case: ShapeCase) -> None:
        train = make_train()
        dirty = TrainBatch(train.experience, planted(train.advantage, train.batch.loss_mask))
        same(shaped(case.part, dirty), shaped(case.part, train))

    def test_tokens_off_the_mask_do_not_exist(self, case: ShapeCase) -> None:
        train = make_train()
        wide = TrainBatch(open_experience(train.experience), opened(train.advantage))
        same(shaped(case.part, wide), opened(shaped(case.part, train)))

    def test_padding_does_not_matter(self, case: ShapeCase) -> None:
        train = make_train()
        same(
            shaped(case.part, with_experience(train, pad_experience(train.experience))),
            padded(shaped(case.part, train)),
        )

    def test_order_of_rows_does_not_matter(self, case: ShapeCase) -> None:
        train = make_train()
        order = torch.randperm(len(train.batch), generator=torch.Generator().manual_seed(3))
        same(shaped(case.part, train.rows(order)), shaped(case.part, train)[order])

    def test_no_gradient_flows_through_signals(self, case: ShapeCase) -> None:
        train = make_train()
        signals = {name: signal.clone().requires_grad_() for name, signal in train.signals.items() if name == "entropy"}
        result = case.part(train.advantage, {**train.signals, **signals}, train.batch.loss_mask)
        assert not result.requires_grad

    def test_nothing_is_changed_in_place(self, case: ShapeCase) -> None:
        train = make_train()
        with Untouched(train):
            shaped(case.part, train)
            case.part.tallies(train.advantage, train.signals, train.batch.loss_mask)

    def test_tallies_are_shares_that_add_up(self, case: ShapeCase) -> None:
        train = make_train()
        whole = case.part.tallies(train.advantage, train.signals, train.batch.loss_mask)
        halves = [train.rows(torch.arange(len(train.batch)) % 2 == half) for half in (0, 1)]
        parts = [case.part.tallies(part.advantage, part.signals, part.batch.loss_mask) for part in halves]
        for name, (total, count) in whole.items():
            same(sum(part[name][0] for part in parts) + torch.zeros(()), total + torch.zeros(()))
            same(sum(part[name][1] for part in parts) + torch.zeros(()), count + torch.zeros(()))
            assert 0 <= total <= count


@pytest.mark.parametrize(
    "case", [case for case in SHAPES if case.part.at == "update"], ids=lambda case: repr(case.part)
)
def test_shapes_of_the_update_do_not_see_micro_batches(case: ShapeCase) -> None:
    """A shape that needs the whole batch must be of the moment "sampling": in an update it would see a part of it."""
    train, index = make_train(), torch.tensor([3, 8, 4])
    width = int(train.batch.rows(index).lengths.max())
    same(shaped(case.part, train.rows(index, width)), shaped(case.part, train)[index, :width])


# -------------------------------------------------------------------------------------------------------- surrogates


def surrogate_loss(part: Surrogate, train: TrainBatch, logprob: Tensor) -> tuple[Tensor, Tensor]:
    return part(logprob, train.batch.behaviour, train.advantage, train.batch.loss_mask)


@pytest.mark.parametrize("part", SURROGATES, ids=repr)
class TestSurrogates:
    def test_at_ratio_one_it_is_the_policy_gradient(self, part: Surrogate) -> None:
        train = make_train()
        logprob = train.batch.behaviour.clone().requires_grad_()
        loss, clipped = surrogate_loss(part, train, logprob)
        (grad,) = torch.autograd.grad(loss.sum(), logprob)
        same(grad, -train.advantage)
        assert not clipped.any()

    def test_no_gradient_off_the_mask(self, part: Surrogate) -> None:
        train = make_train()
        loss_mask = train.batch.loss_mask
        logprob = planted(make_forward(train).logprob.detach(), loss_mask).requires_grad_()
        dirty = TrainBatch(plant(train.experience), planted(train.advantage, loss_mask))
        loss, clipped = surrogate_loss(part, dirty, logprob)
        (grad,) = torch.autograd.grad(loss.sum(), logprob)
        assert (grad[~loss_mask] == 0).all()
        assert (loss[~loss_mask] == 0).all()
        assert not clipped[~loss_mask].any()
        clean, _ = surrogate_loss(part, train, make_forward(train).logprob)
        same(loss, clean)

    def test_padding_and_order_of_rows_do_not_matter(self, part: Surrogate) -> None:
        train = make_train()
        logprob = make_forward(train).logprob.detach()
        loss, clipped = surrogate_loss(part, train, logprob)
        wide, wide_clipped = surrogate_loss(
            part, with_experience(train, pad_experience(train.experience)), padded(logprob)
        )
        same(wide, padded(loss))
        assert torch.equal(wide_clipped, padded(clipped))
        answered = TrainBatch(open_experience(train.experience), opened(train.advantage))
        same(surrogate_loss(part, answered, opened(logprob))[0], opened(loss))
        index = torch.tensor([5, 1, 8])
        same(surrogate_loss(part, train.rows(index), logprob[index])[0], loss[index])

    def test_no_advantage_gives_exactly_nothing(self, part: Surrogate) -> None:
        train = make_train()
        logprob = make_forward(train).logprob
        silent = TrainBatch(train.experience, torch.zeros_like(train.advantage))
        loss, clipped = surrogate_loss(part, silent, logprob)
        (grad,) = torch.autograd.grad(loss.sum(), logprob)
        assert (loss == 0).all()
        assert (grad == 0).all()
        assert not clipped.any()

    def test_linear_in_the_size_of_the_advantage(self, part: Surrogate) -> None:
        train = make_train()
        logprob = make_forward(train).logprob
        loss, clipped = surrogate_loss(part, train, logprob)
        double, still = surrogate_loss(part, TrainBatch(train.experience, 2 * train.advantage), logprob)
        same(double, 2 * loss)
        assert torch.equal(still, clipped)

    def test_only_the_log_probability_has_a_gradient(self, part: Surrogate) -> None:
        train = make_train()
        advantage, behaviour = train.advantage.clone(), train.batch.behaviour.clone()
        logprob = make_forward(train).logprob
        with Untouched(advantage, behaviour, logprob):
            loss, _ = part(logprob, behaviour, advantage, train.batch.loss_mask)
        assert loss.dtype == torch.float32
        assert torch.autograd.grad(loss.sum(), logprob)[0].isfinite().all()


# -------------------------------------------------------------------------------------------- reductions, penalties


@pytest.mark.parametrize("part", REDUCTIONS, ids=repr)
class TestReductions:
    def test_zero_off_the_mask_and_never_negative(self, part: Reduction) -> None:
        batch = make_experience().batch
        weights = part(batch.loss_mask, batch.weight)
        assert weights.dtype == torch.float32
        assert (weights[~batch.loss_mask] == 0).all()
        assert (weights[batch.loss_mask] > 0).all()

    def test_a_common_factor_of_the_weights_cancels(self, part: Reduction) -> None:
        batch = make_experience().batch
        same(part(batch.loss_mask, 3 * batch.weight), part(batch.loss_mask, batch.weight))

    def test_padding_and_order_of_rows_do_not_matter(self, part: Reduction) -> None:
        batch = make_experience().batch
        weights = part(batch.loss_mask, batch.weight)
        same(part(padded(batch.loss_mask), batch.weight), padded(weights))
        same(part(opened(batch.loss_mask), batch.weight), opened(weights))
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(3))
        same(part(batch.loss_mask[order], batch.weight[order]), weights[order])

    def test_nothing_learned_gives_no_nan(self, part: Reduction) -> None:
        batch = make_experience().batch
        assert (part(torch.zeros_like(batch.loss_mask), batch.weight) == 0).all()
        assert (part(batch.loss_mask, torch.zeros_like(batch.weight)) == 0).all()


@pytest.mark.parametrize("part", PENALTIES, ids=repr)
class TestPenalties:
    def test_nothing_off_the_mask(self, part: Penalty) -> None:
        train = make_train()
        loss_mask, forward = train.batch.loss_mask, make_forward(train)
        dirty = Forward(
            planted(forward.logprob.detach(), loss_mask).requires_grad_(),
            planted(forward.entropy.detach(), loss_mask).requires_grad_(),
        )
        term = part(dirty, with_experience(train, plant(train.experience)))
        same(term, part(forward, train))
        assert (term[~loss_mask] == 0).all()
        for grad in torch.autograd.grad(term.sum(), [dirty.logprob, dirty.entropy], allow_unused=True):
            assert grad is None or (grad[~loss_mask] == 0).all()

    def test_tokens_off_the_mask_do_not_exist(self, part: Penalty) -> None:
        train = make_train()
        forward, wide = make_forward(train), TrainBatch(open_experience(train.experience), opened(train.advantage))
        opened_forward = Forward(opened(forward.logprob), opened(forward.entropy))
        same(part(opened_forward, wide), opened(part(forward, train)))

    def test_it_lands(self, part: Penalty) -> None:
        train = make_train()
        forward = make_forward(train)
        term = part.coefficient * part(forward, train)
        grads = torch.autograd.grad(term.sum(), [forward.logprob, forward.entropy], allow_unused=True)
        assert any(grad is not None and (grad[train.batch.loss_mask] != 0).any() for grad in grads)

    def test_rows_go_their_own_way_and_nothing_changes_in_place(self, part: Penalty) -> None:
        train, index = make_train(), torch.tensor([4, 10])
        forward = make_forward(train)
        with Untouched(train, forward):
            term = part(forward, train)
        same(part(Forward(forward.logprob[index], forward.entropy[index]), train.rows(index)), term[index])
