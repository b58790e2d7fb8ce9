"""Linear rewards against closed forms, an optimizer of another kind, and explicit inverses."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.ops.linear_rewards import confidence_radius, confidence_width, linear_preferences
from forage.ops.preferences import bradley_terry_loss


def drawn(pairs: int = 200, size: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Vectors of the preferred and of the other responses, and the reward that their listeners had."""
    draw = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, pairs, size, generator=draw, dtype=torch.float64)
    truth = torch.randn(size, generator=draw, dtype=torch.float64)
    likes = torch.rand(pairs, generator=draw, dtype=torch.float64) < torch.sigmoid((first - second) @ truth)
    return torch.where(likes[:, None], first, second), torch.where(likes[:, None], second, first), truth


@pytest.mark.parametrize("right", [1, 5, 9])
def test_one_dimension_is_the_logit_of_the_share(right: int) -> None:
    pairs = torch.tensor([[1.0]] * right + [[-1.0]] * (10 - right))
    assert float(linear_preferences(pairs, ridge=1e-12)[0]) == pytest.approx(math.log(right / (10 - right)), abs=1e-6)


def test_the_optimum_of_another_optimizer() -> None:
    chosen, rejected, _ = drawn()
    found = linear_preferences(chosen - rejected, ridge=0.05)
    theta = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=200, tolerance_change=0, line_search_fn="strong_wolfe")

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        loss = bradley_terry_loss(chosen @ theta, rejected @ theta).mean() + 0.025 * theta.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    torch.testing.assert_close(found, theta.detach(), rtol=1e-5, atol=1e-6)


def test_many_pairs_recover_the_reward_and_swapped_ones_its_opposite() -> None:
    chosen, rejected, truth = drawn(4000)
    found = linear_preferences(chosen - rejected, ridge=1e-6)
    assert float((found - truth).norm()) < 0.25 * float(truth.norm())
    torch.testing.assert_close(linear_preferences(rejected - chosen, ridge=1e-6), -found)
    moved = linear_preferences((chosen + 5) - (rejected + 5), ridge=1e-6)
    torch.testing.assert_close(moved, found, msg="what all vectors share says nothing")
    separable = linear_preferences(torch.ones(3, 2) * 1e4, ridge=0.01)
    assert separable.isfinite().all()


def test_the_width_against_an_explicit_inverse() -> None:
    chosen, rejected, _ = drawn()
    d, center = chosen - rejected, chosen.mean(0)
    metric = torch.linalg.inv(sum(torch.outer(row, row) for row in d) / len(d) + 0.1 * torch.eye(4))
    wanted = torch.stack([((row - center) @ metric @ (row - center)).sqrt() for row in rejected])
    torch.testing.assert_close(confidence_width(rejected, d, ridge=0.1, center=center), wanted)
    assert (confidence_width(center[None], d, center=center) == 0).all()
    assert (confidence_width(rejected, d) > 0).all()


def test_more_pairs_narrow_what_they_cover() -> None:
    along, across = torch.eye(2)
    pairs = along.expand(10, 2)
    few, many = (confidence_radius(n, 2) * confidence_width(torch.eye(2), pairs) for n in (10, 1000))
    assert (many < few).all()
    wide = confidence_width(torch.stack([along, across]), pairs)
    assert wide[0] < 0.2 * wide[1]
    longer = confidence_width(along[None], torch.cat([pairs, 3 * pairs]))
    assert longer < wide[0], "pairs that differ more say more"


def test_the_radius_by_hand() -> None:
    # L B = 0: gamma 1/4, so gamma^2 N = 1 for N = 16; delta = 1/e adds 1 to D = 3; the ridge adds nothing at B = 0.
    assert confidence_radius(16, 3, bound=0.0, delta=1 / math.e) == pytest.approx(2.0)


def test_wrong_settings_are_sentences() -> None:
    for call in (linear_preferences, lambda d, **more: confidence_width(torch.ones(1, 2), d, **more)):
        with pytest.raises(ForageError, match="at least one pair"):
            call(torch.ones(0, 2))
        with pytest.raises(ForageError, match="ridge"):
            call(torch.ones(1, 2), ridge=0.0)
    with pytest.raises(ForageError, match="delta"):
        confidence_radius(5, 2, delta=1.0)
    with pytest.raises(ValueError, match="shape"):
        confidence_width(torch.ones(1, 3), torch.ones(1, 2))
