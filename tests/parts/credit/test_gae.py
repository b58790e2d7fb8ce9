"""Advantages from values, from groups of records to the numbers that the loss sees, worked by hand."""

import math
from dataclasses import replace

import pytest
import torch

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.records import Group, Score
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.whiten import Whiten
from forage.parts.losses.value_loss import ValueLoss
from support.builders import group


def experience(*groups: Group, values: list[list[float]]) -> Experience:
    """Two prompt tokens, then the prefix, then the response; `values` holds those of the responses' tokens."""
    batch = collate(groups, lambda problem: (1, 2))
    signal = torch.full(batch.tokens.shape, math.nan)
    for row, found in enumerate(values):
        signal[row, batch.loss_mask[row]] = torch.tensor(found)
    return Experience(batch, {"value": signal})


def test_one_response_by_hand() -> None:
    # R = 1 on the last of three tokens, V = .5, .25, .75, gamma = 1.
    # deltas: .25 - .5 = -.25; .75 - .25 = .5; 1 - .75 = .25.
    #   lam 1:  A = R - V = .5, .75, .25
    #   lam 0:  the deltas
    #   lam .5: .25; .5 + .125 = .625; -.25 + .3125 = .0625
    seen = experience(group([1.0], lengths=[3]), values=[[0.5, 0.25, 0.75]])
    for lam, wanted in ((1.0, [0.5, 0.75, 0.25]), (0.0, [-0.25, 0.5, 0.25]), (0.5, [0.0625, 0.625, 0.25])):
        train = Credit(assign=Gae(lam=lam))(seen)
        assert train.advantage.tolist() == [[0, 0, *wanted]]


def test_the_critic_learns_the_return_with_lam_1_and_a_mixture_below() -> None:
    # The same response; target = V + A: 1, 1, 1 with lam 1; .25, .75, 1 with lam 0; with gamma .5, lam 1: .25, .5, 1.
    train = Credit(assign=Gae())(experience(group([1.0], lengths=[3]), values=[[0.5, 0.25, 0.75]]))
    assert ValueLoss().targets(train).tolist() == [[0, 0, 1, 1, 1]]
    assert ValueLoss(lam=0.0).targets(train).tolist() == [[0, 0, 0.25, 0.75, 1]]
    assert ValueLoss(gamma=0.5).targets(train).tolist() == [[0, 0, 0.25, 0.5, 1]]


def test_without_values_lam_1_is_the_return() -> None:
    seen = experience(group([1.0, 0.0, 3.0], lengths=[1, 2, 2]), values=[[0.0], [0.0, 0.0], [0.0, 0.0]])
    assert Credit(assign=Gae())(seen).advantage.tolist() == Credit()(seen).advantage.tolist()


def test_a_restarted_response_begins_behind_its_prefix() -> None:
    """The same response and values, once from the prompt and once behind a prefix of three tokens: the same numbers."""
    values = [[0.5, 0.25, 0.75]]
    fresh = Credit(assign=Gae(gamma=0.9, lam=0.7))(experience(group([1.0], lengths=[3]), values=values))
    again = Credit(assign=Gae(gamma=0.9, lam=0.7))(
        experience(group([1.0], lengths=[3], prefix=(7, 8, 9)), values=values)
    )
    assert again.advantage[0, :5].tolist() == [0] * 5
    assert again.advantage[0, 5:].tolist() == fresh.advantage[0, 2:].tolist()
    assert ValueLoss().targets(again)[0, 5:].tolist() == [1, 1, 1]


def test_a_response_that_was_cut_off_ends_with_what_it_was_worth() -> None:
    whole = group([0.25], lengths=[2])
    cut = replace(whole, rollouts=tuple(replace(rollout, stop="length") for rollout in whole.rollouts))
    values = [[0.5, 0.5]]
    train = Credit(assign=Gae())(experience(cut, values=values))
    assert train.advantage.tolist() == [[0, 0, -0.25, -0.25]]
    assert torch.equal(train.advantage, Credit(assign=Gae())(experience(whole, values=values)).advantage)


def test_step_rewards_come_at_the_ends_of_steps() -> None:
    # Two steps of one token with rewards .25 and .5, and R = 1: with V = 0 and lam = 1 the returns are 1.75 and 1.5.
    one = group([1.0], lengths=[2])
    stepped = Group(one.start, (replace(one.rollouts[0], step_ends=(1, 2)),), (Score(1.0, {}, steps=(0.25, 0.5)),))
    train = Credit(assign=Gae())(experience(stepped, values=[[0.0, 0.0]]))
    assert train.advantage.tolist() == [[0, 0, 1.75, 1.5]]
    assert ValueLoss().targets(train).tolist() == [[0, 0, 1.75, 1.5]]


def test_whitening_comes_before_the_bonus_and_unjudged_responses_take_no_part() -> None:
    # A = R - V = 1, -1 and one response that was not judged: mean 0, deviation sqrt(2), so A = +-1 / sqrt(2).
    seen = experience(group([1.0, 0.0, math.nan], lengths=[1, 1, 2]), values=[[0.0], [1.0], [5.0, 5.0]])
    with_entropy = Experience(seen.batch, {**seen.signals, "entropy": seen.batch.entropy})  # .5 nats on first tokens
    root = 1 / math.sqrt(2)
    train = Credit(assign=Gae(), shapes=(Whiten(eps=0.0), EntropyBonus(alpha=0.1, at="sampling")))(with_entropy)
    wanted = torch.tensor([[0, 0, root + 0.05, 0], [0, 0, -root + 0.05, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(train.advantage, wanted)
    # What shapes did is measured from the whitened advantages; what the critic learns knows of neither.
    assert train.unshaped is not None
    torch.testing.assert_close(train.unshaped[:2, 2], torch.tensor([root, -root]))
    assert ValueLoss().targets(train)[:, 2].tolist() == [1, 0, 0]


def test_settings_are_checked() -> None:
    for make in (lambda: Gae(gamma=1.1), lambda: Gae(lam=-1.0), lambda: ValueLoss(lam=2.0)):
        with pytest.raises(ForageError, match="gamma and lam"):
            make()
    with pytest.raises(ForageError, match="clip of values"):
        ValueLoss(clip=0.0)
    with pytest.raises(ForageError, match="eps"):
        Whiten(eps=-1.0)


def test_the_value_loss_adds_up_over_any_split() -> None:
    groups = (group([1.0, 0.0], lengths=[3, 1]), group([0.5, math.nan], lengths=[2, 3], name="q"))
    seen = experience(*groups, values=[[0.5, 0.25, 0.75], [0.1], [0.2, 0.3], [1.0, 1.0, 1.0]])
    train, loss = TrainBatch(seen, torch.zeros(seen.batch.tokens.shape)), ValueLoss(clip=0.1, lam=0.9)
    weights = loss.weigh(train.batch)
    value = torch.linspace(-1, 1, seen.batch.tokens.numel()).view(seen.batch.tokens.shape)
    whole, tallies = loss(value, train, weights)
    total = torch.zeros(())
    for rows in (torch.tensor([0, 3]), torch.tensor([1]), torch.tensor([2])):
        part, _ = loss(value[rows], train.rows(rows), weights.rows(rows, 5))
        total = total + part
    torch.testing.assert_close(total, whole)
    # A mean over the 3 + 1 + 2 judged tokens; the loss is the same mean.
    assert int(tallies["value_loss"][1]) == 6
    torch.testing.assert_close(whole, tallies["value_loss"][0] / 6)
