"""The example of eight siblings, a a a b | x x y z with the first four right, worked by hand for every rule."""

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.functional import group_advantage, mode_reward
from forage.ops.likelihood_ranks import group_ranks, unlikeliness_reward
from forage.ops.mode_rewards import ModeRule, mode_counts
from forage.ops.mode_weights import cue_weight, inverse_weight, set_bonus, ucpo_weight

RIGHT = torch.tensor([1.0, 1, 1, 1, 0, 0, 0, 0], dtype=torch.float64)
MODE = ["a", "a", "a", "b", None, None, None, None]
ALL = ["a", "a", "a", "b", "x", "x", "y", "z"]
ONE = torch.zeros(8, dtype=torch.int64)
SCORE = torch.tensor([-0.2, -0.2, -0.2, -0.5, -0.3, -0.4, -0.6, -0.1], dtype=torch.float64)


def near(got: Tensor, wanted: list[float], tolerance: float = 5e-7) -> None:
    torch.testing.assert_close(got, torch.tensor(wanted, dtype=got.dtype), atol=tolerance, rtol=0)


def test_ips() -> None:
    # G / n = 8/3 and 8; their mean over the group is (3 * 8/3 + 8) / 8 = 2.
    reward = mode_reward(RIGHT, MODE, ONE, rule="ips")
    near(reward, [8 / 3] * 3 + [8] + [0] * 4)
    near(group_advantage(reward, ONE, scale="none"), [2 / 3] * 3 + [6] + [-2] * 4)
    near(group_advantage(reward, ONE, ddof=0, eps=0), [0.258199] * 3 + [2.32379] + [-0.774597] * 4, 5e-6)
    near(mode_reward(RIGHT, MODE, ONE, rule="ips", alpha=0.5), [(8 / 3) ** 0.5] * 3 + [8**0.5] + [0] * 4)


def test_darling() -> None:
    reward = mode_reward(RIGHT, MODE, ONE, rule="darling")  # (8 - 3) / 7 and (8 - 1) / 7
    near(reward, [0.714286] * 3 + [1] + [0] * 4)
    near(group_advantage(reward, ONE, scale="none"), [0.321429] * 3 + [0.607143] + [-0.392857] * 4)
    right_only = mode_reward(RIGHT, MODE, ONE, rule="darling_right")  # (4 - 3) / 3 and (4 - 1) / 3
    near(right_only, [1 / 3] * 3 + [1] + [0] * 4)
    near(group_advantage(right_only, ONE, scale="none"), [0.083333] * 3 + [0.75] + [-0.25] * 4)


def test_darling_pays_a_single_success_in_full_and_never_less_than_a_tenth() -> None:
    single = torch.tensor([1.0, 0, 0])
    near(mode_reward(single, ["a", None, None], ONE[:3], rule="darling_right"), [1, 0, 0])
    near(mode_reward(torch.ones(3), ["a", "a", "a"], ONE[:3], rule="darling"), [0.1] * 3)
    near(mode_reward(torch.ones(1), ["a"], ONE[:1], rule="darling"), [1])


def test_gapo() -> None:
    # 1 - (3/4 - 1/2) = .75 and 1.25, as (R + 1) / 2 beside wrong ones of -1.
    reward = mode_reward(RIGHT, MODE, ONE, rule="gapo", modes=2)
    near(reward, [0.875] * 3 + [1.125] + [0] * 4)
    near(group_advantage(reward, ONE, scale="none"), [0.40625] * 3 + [0.65625] + [-0.46875] * 4)


def test_repetition() -> None:
    # 1 - .5 * 2/8 for a; x - .5 * 1/8; mean of the eight .4375.
    reward = mode_reward(RIGHT, ALL, ONE, rule="repetition", strength=0.5)
    near(reward, [0.875] * 3 + [1] + [-0.0625] * 2 + [0] * 2)
    near(group_advantage(reward, ONE, scale="none"), [0.4375] * 3 + [0.5625] + [-0.5] * 2 + [-0.4375] * 2)
    near(mode_reward(RIGHT, MODE, ONE, rule="repetition", strength=0.5)[4:], [0] * 4)


def test_a_group_in_which_all_are_right_is_pushed_by_rewards_and_not_by_factors() -> None:
    """r = (1, 1, 1, 1), modes a a a b: what decides whether a rule can restore a mode."""
    reward, mode, group = torch.ones(4, dtype=torch.float64), ["a", "a", "a", "b"], ONE[:4]
    pushed = group_advantage(mode_reward(reward, mode, group, rule="ips"), group, scale="none")
    near(pushed, [-2 / 3, -2 / 3, -2 / 3, 2])
    settled = group_advantage(reward, group, scale="none")
    for factor in (inverse_weight(reward, mode, group), cue_weight(reward, mode, group)):
        assert (settled * factor == 0).all()
    assert (set_bonus(reward, mode, group) != 0).any()


@pytest.mark.parametrize("rule", ["ips", "darling", "darling_right", "gapo", "repetition"])
def test_rules_see_their_own_group_and_judged_siblings_only(rule: ModeRule) -> None:
    reward = torch.cat([RIGHT, torch.ones(3, dtype=torch.float64)])
    reward[1] = torch.nan
    group = torch.tensor([5] * 8 + [2] * 3)
    mode = [*MODE, "a", "b", "b"]
    result = mode_reward(reward, mode, group, rule=rule, modes=2)
    assert result[1].isnan()
    assert result.dtype == torch.float64
    keep = [0, 2, 3, 4, 5, 6, 7]
    torch.testing.assert_close(
        result[keep], mode_reward(reward[keep], [mode[i] for i in keep], group[keep], rule=rule, modes=2)
    )
    torch.testing.assert_close(result[8:], mode_reward(reward[8:], mode[8:], group[8:], rule=rule, modes=2))
    plain = mode_reward(reward, [None] * 11, group, rule=rule, modes=2)
    torch.testing.assert_close(plain, reward, equal_nan=True)


def test_settings_of_zero_change_nothing() -> None:
    torch.testing.assert_close(mode_reward(RIGHT, MODE, ONE, rule="ips", alpha=0), RIGHT)
    torch.testing.assert_close(mode_reward(RIGHT, ALL, ONE, rule="repetition", strength=0), RIGHT)
    torch.testing.assert_close(unlikeliness_reward(RIGHT, SCORE, ONE, beta=0), RIGHT)


def test_unlikeliness_shares_ranks_where_log_probabilities_tie() -> None:
    # From the least likely: -.6 -.5 -.4 -.3, then three of -.2 that share 4 5 6, then -.1.
    assert group_ranks(SCORE, ONE).tolist() == [5, 5, 5, 1, 3, 2, 0, 7]
    reward = unlikeliness_reward(RIGHT, SCORE, ONE, beta=0.25)
    near(reward, [0.84375] * 3 + [0.96875] + [0] * 4)
    # Ranks by order would be 4, 5, 6: .875, .84375, .8125, of which this is the mean.
    assert float(reward[0]) == pytest.approx((0.875 + 0.84375 + 0.8125) / 3)
    two = torch.tensor([3, 3, 3, 1])
    near(unlikeliness_reward(RIGHT[:4], SCORE[:4], two, beta=0.25), [1 - 0.25 / 3] * 3 + [1])
    unknown = SCORE.clone()
    unknown[0] = torch.nan
    assert float(unlikeliness_reward(RIGHT, unknown, ONE, beta=0.25)[0]) == 1


def test_factors_of_settled_advantages() -> None:
    near(inverse_weight(RIGHT, MODE, ONE), [1 / 3] * 3 + [1] * 5)
    near(inverse_weight(RIGHT, ALL, ONE), [1 / 3] * 3 + [1] + [0.5] * 2 + [1] * 2)
    # K / n over sum 1/n = 4 (1/3) / 2 and 4 / 2.
    near(cue_weight(RIGHT, MODE, ONE), [2 / 3] * 3 + [2] + [1] * 4)
    near(cue_weight(RIGHT, MODE, ONE, alpha=0.8), [0.739614] * 3 + [1.781157] + [1] * 4)
    right = RIGHT > 0
    near(ucpo_weight(SCORE, right, ONE, tau=0.2), [0.983914] * 3 + [1.048258] + [1] * 4)
    near(ucpo_weight(SCORE, right, ONE, tau=1), [0.91957] * 3 + [1.24129] + [1] * 4, 5e-6)
    for weight in (cue_weight(RIGHT, MODE, ONE), ucpo_weight(SCORE, right, ONE)):
        assert float(weight[:4].mean()) == pytest.approx(1)
    unknown = SCORE.clone()
    unknown[0] = torch.nan
    assert float(ucpo_weight(unknown, right, ONE)[0]) == 1


def test_set_bonus() -> None:
    # D = 24 / 28; without an a 19 / 21, without b 17 / 21, without an x 18 / 21.
    near(set_bonus(RIGHT, ALL, ONE), [-0.047619] * 3 + [0.047619] + [0] * 2 + [0.047619] * 2)
    assert (set_bonus(RIGHT[:2], ALL[2:4], ONE[:2]) == 0).all()


def test_counts() -> None:
    counts = mode_counts(RIGHT, MODE, ONE)
    assert counts.same.tolist() == [3, 3, 3, 1, 0, 0, 0, 0]
    assert counts.known.tolist() == [4] * 8
    assert counts.judged.tolist() == [8] * 8


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ForageError, match="gapo needs the number of valid modes"):
        mode_reward(RIGHT, MODE, ONE, rule="gapo")
    with pytest.raises(ForageError, match="under the rules"):
        mode_reward(RIGHT, MODE, ONE, rule="nope")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ForageError, match="alpha"):
        mode_reward(RIGHT, MODE, ONE, rule="ips", alpha=-1)
    with pytest.raises(ValueError, match="shape"):
        mode_reward(RIGHT, MODE[:3], ONE, rule="ips")
    with pytest.raises(ForageError, match="beta"):
        unlikeliness_reward(RIGHT, SCORE, ONE, beta=2)
    with pytest.raises(ForageError, match="alpha"):
        cue_weight(RIGHT, MODE, ONE, alpha=-1)
    with pytest.raises(ForageError, match="tau"):
        ucpo_weight(SCORE, RIGHT > 0, ONE, tau=2)
