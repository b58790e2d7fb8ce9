import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.zeroth_order import preference_gap, random_direction, zeroth_order_gradient


def test_the_gap_by_hand() -> None:
    nan = math.nan
    plain = torch.tensor([0.0, 1.0, 0.0, 0.5, 1.0, nan, 0.0])
    perturbed = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0, 1.0, nan])
    group = torch.tensor([3, 3, 3, 3, 7, 7, 8])
    # Group 3: two wins, a tie and a loss, p = 5/8. Group 7: its one judged pair is lost, p = .1. Group 8: none judged.
    expected = (math.log(5 / 3) + math.log(1 / 9)) / 2
    assert preference_gap(plain, perturbed, group, floor=0.1) == pytest.approx(expected)
    assert preference_gap(perturbed, plain, group, floor=0.1) == pytest.approx(-expected), "swapping flips the sign"
    assert preference_gap(plain, plain, group, floor=0.1) == 0
    assert preference_gap(plain[6:], perturbed[6:], group[6:], floor=0.1) == 0
    logistic = torch.tensor(0.7).sigmoid().item()
    wins = torch.arange(1000) < round(1000 * logistic)
    gap = preference_gap(torch.full((1000,), 0.5), wins.float(), torch.zeros(1000), floor=0.01)
    assert gap == pytest.approx(0.7, abs=5e-3), "the link undoes the sigmoid"


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_the_estimate_is_unbiased_for_a_linear_value(blocks: int) -> None:
    """Over both signs of all axes, a design whose second moment is that of the sphere, and in every block alike."""
    slope = torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0, -1.0], dtype=torch.float64)
    total = torch.zeros(6, dtype=torch.float64)
    for axis in torch.cat([torch.eye(6), -torch.eye(6)]).double():
        gap = float(slope @ (0.1 * axis))
        total += zeroth_order_gradient(gap, axis, radius=0.1) / 12
    torch.testing.assert_close(total, slope)
    directions = torch.stack([random_direction(6, blocks=blocks, seed=seed) for seed in range(1500)]).double()
    moment = directions.T @ directions / len(directions) * 6
    torch.testing.assert_close(moment, torch.eye(6, dtype=torch.float64), atol=0.2, rtol=0)
    assert torch.allclose(directions.norm(dim=1), torch.ones(1500, dtype=torch.float64))
    assert ((directions != 0).sum(1) == 6 // blocks).all()


def test_what_is_refused() -> None:
    rewards = torch.zeros(2)
    for floor in (0.0, 0.5):
        with pytest.raises(ForageError, match="below 1/2"):
            preference_gap(rewards, rewards, rewards, floor=floor)
    with pytest.raises(ForageError, match="above 0"):
        zeroth_order_gradient(1.0, rewards, radius=0.0)
    with pytest.raises(ForageError, match="1 to 4 blocks"):
        random_direction(4, blocks=5, seed=0)
