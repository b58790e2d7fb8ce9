"""What is minimized on demonstrations, by hand: the terms, their gradients and their denominators."""

import math

import pytest
import torch

from forage.core.demonstrations import Demonstration, collate_demonstrations, shown_to
from forage.core.errors import ForageError
from forage.core.protocols import Forward, Penalty
from forage.parts.losses.demonstrations import BehaviourKL, DemonstrationLoss, Likelihood, ShapedRatio, SurrogateRatio
from support.builders import problem

LOG2 = math.log(2)
SHOWN = (
    Demonstration(problem=problem(), tokens=(6, 1), group=0, weight=0.5, logprobs=(-LOG2, -LOG2)),
    Demonstration(problem=problem(), tokens=(7,), group=1, weight=2.0),
)
"""One of two tokens of probability 1/2 each, and one of a token whose probability is not known."""


def gradient(penalty: Penalty, probabilities: tuple[float, float, float]) -> tuple[float, list[float]]:
    train = shown_to(collate_demonstrations(SHOWN, lambda _: (2,)), groups=2)
    first, second, other = (math.log(p) for p in probabilities)
    logprob = torch.tensor([[0.0, first, second], [0.0, other, 0.0]], requires_grad=True)
    loss = DemonstrationLoss(penalties=(penalty,))
    total, _ = loss(Forward(logprob, torch.zeros(2, 3)), train, loss.weigh(train.batch))
    (found,) = torch.autograd.grad(total, logprob)
    assert found[0, 0] == found[1, 0] == found[1, 2] == 0
    return float(total.detach()), [float(found[0, 1]), float(found[0, 2]), float(found[1, 1])]


def test_likelihood_by_hand() -> None:
    """.3 * (.5 / 2 * (ln 2 + ln 4) / 2 + 2 / 2 * ln 8), two groups."""
    total, found = gradient(Likelihood(coefficient=0.3), (1 / 2, 1 / 4, 1 / 8))
    assert total == pytest.approx(0.3 * (0.125 * 3 + 3) * LOG2)
    assert found == pytest.approx([-0.0375, -0.0375, -0.3])


def test_the_forward_kl_is_silent_where_the_policy_is_the_base() -> None:
    """(rho - 1) grad log pi with rho = 1 and 1/2; what is not known is left out."""
    total, found = gradient(BehaviourKL(coefficient=1.0), (1 / 2, 1 / 4, 1 / 8))
    assert total == pytest.approx(0.125 * (0.5 - 1 + LOG2))
    assert found == pytest.approx([0, 0.125 * -0.5, 0])


def test_the_surrogate_ratio_by_hand() -> None:
    """4 pi / (3/2 + 1) at pi_old = 1/2, times (1 - pi)^(1/2) as a constant; d pi / d log pi is pi."""
    total, found = gradient(SurrogateRatio(coefficient=0.5), (1 / 2, 1 / 4, 1 / 8))
    first, second = 0.8 * 0.5**0.5, 0.4 * 0.75**0.5
    assert total == pytest.approx(-0.5 * 0.125 * (first + second))
    assert found == pytest.approx([-0.5 * 0.125 * first, -0.5 * 0.125 * second, 0])
    _, published = gradient(SurrogateRatio(gamma=0, uniform=1 / 4), (1 / 2, 1 / 4, 1 / 8))
    assert published[0] == pytest.approx(-0.125 * 2 / (3 / 2 + 1 / 4))
    for wrong in ({"gamma": -1.0}, {"uniform": 0.0}, {"uniform": 2.0}, {"coefficient": -1.0}):
        with pytest.raises(ForageError, match=r"must be|above 0"):
            SurrogateRatio(**wrong)


def test_the_shaped_ratio_by_hand() -> None:
    """-rho / (rho + .1), whose slope is -.1 rho / (rho + .1)^2."""
    total, found = gradient(ShapedRatio(coefficient=1.0), (1 / 2, 1 / 20, 1 / 8))
    assert total == pytest.approx(-0.125 * (1 / 1.1 + 0.5))
    assert found == pytest.approx([-0.125 * 0.1 / 1.1**2, -0.125 * 0.25, 0])


@pytest.mark.parametrize("kind", [Likelihood, BehaviourKL, ShapedRatio])
@pytest.mark.parametrize("coefficient", [-0.1, math.nan, math.inf])
def test_strengths_that_make_no_sense_are_refused(kind: type[Likelihood], coefficient: float) -> None:
    with pytest.raises(ForageError, match="coefficient"):
        kind(coefficient=coefficient)


def test_a_constant_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ForageError, match="constant"):
        ShapedRatio(constant=0)
