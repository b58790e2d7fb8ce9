import math

import pytest
import torch

from forage.ops.segments import group_advantage
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.constant_bonus import ConstantBonus
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.group_reweight import GroupReweight
from forage.parts.credit.shape.shuffled_entropy_bonus import ShuffledEntropyBonus
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from laws import Untouched, make_experience, pad_experience, padded, plant

GRPO = (MeanCentre(), StdScale())


def test_no_baseline_is_the_reward_itself() -> None:
    experience = make_experience()
    batch = experience.batch
    advantage = Credit()(experience).advantage
    wanted = batch.reward.nan_to_num(0)[:, None] * batch.loss_mask
    assert torch.equal(advantage, wanted)


def test_grpo_is_the_group_advantage_on_every_token() -> None:
    experience = make_experience()
    batch = experience.batch
    advantage = Credit(baselines=GRPO)(experience).advantage
    wanted = group_advantage(batch.reward.double(), batch.group, scale="std")[:, None] * batch.loss_mask
    torch.testing.assert_close(advantage, wanted.float())
    assert advantage.dtype == torch.float32


@pytest.mark.parametrize("shape", [ConstantBonus(), UnclippedEntropyBonus(at="sampling"), EntropyBonus(at="sampling")])
def test_settled_advantages_are_clean(shape: ConstantBonus) -> None:
    experience = make_experience()
    batch = experience.batch
    with Untouched(experience):
        train = Credit(baselines=GRPO, shapes=(shape,))(experience)
    assert (train.advantage[~batch.loss_mask] == 0).all()
    assert (train.advantage[batch.reward.isnan()] == 0).all()
    assert (train.advantage != 0).any()
    assert train.unshaped is not None
    torch.testing.assert_close(train.unshaped, Credit(baselines=GRPO)(experience).advantage)
    dirty = Credit(baselines=GRPO, shapes=(shape,))(plant(experience))
    torch.testing.assert_close(dirty.advantage, train.advantage)
    wide = Credit(baselines=GRPO, shapes=(shape,))(pad_experience(experience))
    torch.testing.assert_close(wide.advantage, padded(train.advantage))


def test_shapes_of_the_update_are_left_to_the_loss() -> None:
    experience = make_experience()
    credit = Credit(baselines=GRPO, shapes=(EntropyBonus(), GroupReweight(), ShuffledEntropyBonus(at="sampling")))
    assert credit.update_shapes == (EntropyBonus(),)
    assert credit.sampling_shapes == (GroupReweight(), ShuffledEntropyBonus(at="sampling"))
    only = Credit(baselines=GRPO, shapes=(EntropyBonus(),))(experience)
    assert torch.equal(only.advantage, Credit(baselines=GRPO)(experience).advantage)


def test_shapes_act_in_order() -> None:
    experience = make_experience()
    first, second = GroupReweight(), EntropyBonus(at="sampling")
    got = Credit(baselines=GRPO, shapes=(first, second))(experience)
    assert got.unshaped is not None
    loss_mask = experience.batch.loss_mask
    wanted = second(first(got.unshaped, experience.signals, loss_mask), experience.signals, loss_mask)
    torch.testing.assert_close(got.advantage, wanted)


def test_a_batch_of_silence_is_exactly_zero() -> None:
    experience = make_experience(groups=12)  # every response alone in its group
    assert (Credit(baselines=GRPO, shapes=(EntropyBonus(at="sampling"),))(experience).advantage == 0).all()


def test_needs_and_min_siblings_are_the_union() -> None:
    credit = Credit(baselines=(PassAtK(k=4), StdScale()), shapes=(ShuffledEntropyBonus(), GroupReweight()))
    assert credit.needs == {"entropy", "noise", "success_rate"}
    assert credit.min_group_size == 5
    assert Credit().needs == frozenset()
    assert Credit().min_group_size == 1


def test_one_right_of_eight_with_the_published_settings() -> None:
    # |A| = 2.4749 / .35355 with the sample deviation: at one nat the right one gains .4, a wrong one's blame is halved.
    reward = torch.tensor([1.0] + [0.0] * 7)
    experience = make_experience(rows=8, groups=1, unjudged=0)
    batch = experience.batch
    object.__setattr__(batch, "reward", reward)
    signals = {**experience.signals, "entropy": batch.loss_mask.float()}
    train = Credit(baselines=GRPO, shapes=(EntropyBonus(at="sampling"),))(type(experience)(batch, signals))
    first = train.advantage[batch.loss_mask & (reward == 1)[:, None]]
    others = train.advantage[batch.loss_mask & (reward == 0)[:, None]]
    assert first.tolist() == pytest.approx([7 / math.sqrt(8) + 0.4] * len(first), rel=1e-5)
    assert others.tolist() == pytest.approx([-1 / math.sqrt(8) / 2] * len(others), rel=1e-5)
