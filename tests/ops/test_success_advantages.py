import itertools

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.functional import maxrl_advantage, nsr_advantage, pass_at_k, tailrl_advantage
from forage.ops.success_advantages import signed_advantage


def one_group(*rewards: float) -> tuple[Tensor, Tensor]:
    return torch.tensor(rewards, dtype=torch.float64), torch.zeros(len(rewards), dtype=torch.int64)


def test_golden_values() -> None:
    # Mean 1/4: (1 - 1/4) / (1/4) = 3 and -1.
    assert maxrl_advantage(*one_group(1, 0, 0, 0)).tolist() == pytest.approx([3, -1, -1, -1])
    # Rises 0, 0, 1/2 over 2, 1/2 over 1: w = 0, 0, .25, .75 with mean .25.
    assert tailrl_advantage(*one_group(0, 0, 0.5, 1)).tolist() == pytest.approx([-0.25, -0.25, 0, 0.5])
    assert nsr_advantage(one_group(1, 0, 1)[0]).tolist() == [0, -1, 0]


def test_tailrl_of_binary_rewards_is_maxrl_over_n_and_ignores_order() -> None:
    for n in range(2, 7):
        for rewards in itertools.product((0.0, 1.0), repeat=n):
            torch.testing.assert_close(
                tailrl_advantage(*one_group(*rewards)), maxrl_advantage(*one_group(*rewards)) / n
            )
    shuffled = tailrl_advantage(*one_group(1, 0, 0.5, 0))
    assert shuffled.tolist() == pytest.approx([0.5, -0.25, 0, -0.25])


def test_tailrl_is_the_integral_of_maxrl_over_thresholds() -> None:
    """r = (.2, .2, .7, 1, 0): between levels the thresholded rewards are 0/1, and MaxRL / n of them adds up."""
    reward, group = one_group(0.2, 0.2, 0.7, 1, 0)
    levels = (0, 0.2, 0.7, 1)
    total = torch.zeros(5, dtype=torch.float64)
    for low, high in itertools.pairwise(levels):
        total += (high - low) * maxrl_advantage((reward > low).double(), group) / 5
    torch.testing.assert_close(tailrl_advantage(reward, group), total)


def test_sums_are_zero_and_equal_rewards_get_nothing() -> None:
    for rewards in itertools.product((0.0, 1.0), repeat=5):
        advantage = maxrl_advantage(*one_group(*rewards))
        assert float(advantage.sum()) == pytest.approx(0, abs=1e-12)
        if len(set(rewards)) == 1:
            assert (advantage == 0).all()


@pytest.mark.parametrize(("n", "success", "golden"), [(8, 0.2, 1.264456), (16, 0.05, 1.019747)])
def test_how_much_maxrl_pushes(n: int, success: float, golden: float) -> None:
    """E sum |r/K - 1/N| = E sum |A| / N = 2 (pass@N - pass@1), by the binomial distribution of K."""
    total = 0.0
    for right in range(n + 1):
        chance = float(
            torch.distributions.Binomial(n, torch.tensor(success).double()).log_prob(torch.tensor(right)).exp()
        )
        total += chance * float(maxrl_advantage(*one_group(*[1.0] * right, *[0.0] * (n - right))).abs().sum()) / n
    assert total == pytest.approx(golden, abs=5e-7)
    assert total == pytest.approx(2 * ((1 - (1 - success) ** n) - success), abs=1e-6)
    assert pass_at_k(n, 1, n) == 1


def test_unjudged_rewards_stay_and_take_no_part() -> None:
    reward, group = one_group(1, float("nan"), 0, 0, 0)
    for rule in (maxrl_advantage, tailrl_advantage):
        result = rule(reward, group)
        assert result[1].isnan()
        torch.testing.assert_close(result[[0, 2, 3, 4]], rule(reward[[0, 2, 3, 4]], group[:4]))
    assert nsr_advantage(reward)[1].isnan()


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ForageError, match="0 or more"):
        maxrl_advantage(*one_group(1, -0.5))
    with pytest.raises(ForageError, match="exactly 0 or 1"):
        signed_advantage(torch.tensor([1.0, 0.5]), positive=1, negative=-1)
