"""What learning from kept modes does to a softmax: dz/dt = kappa grad P + lambda (mu - p), mu the shares of the modes.

The pull is the real one: the memory keeps, weighs and shows, and the gradient is that of the loss of demonstrations.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from forage.core.demonstrations import DemonstratingMemory, collate_demonstrations, shown_to
from forage.core.protocols import Forward
from forage.ops.exemplars import replay_scale
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.demonstrations import DemonstrationLoss, Likelihood
from forage.parts.memory import VerifiedModes
from support.tabular import PROBLEM, Rule, make_group, pcmd_of, tabulate

START, WORTH, SIBLINGS = (0.12, 0.06, 0.82), (1.0, 1.0, 0.0), 16


def bank(met: Sequence[int], outcomes: int, worth: Sequence[float] | None = None, **settings: Any) -> Tensor:
    """mu (M,): the shares that a memory gives the outcomes after it has met these, as the loss weighs them."""
    memory = VerifiedModes(**settings).open([PROBLEM], seed=0)
    assert isinstance(memory, DemonstratingMemory)
    policy = torch.full((outcomes,), 1 / outcomes, dtype=torch.float64)
    group = make_group(met, policy, worth or [1.0] * outcomes)
    memory.record([group], step=1)
    train = shown_to(collate_demonstrations(memory.demonstrate([group]), lambda _: (0,)), groups=1)
    weights = DemonstrationLoss(penalties=()).weigh(train.batch).penalty
    return torch.zeros(outcomes, dtype=torch.float64).index_add(0, train.batch.tokens[:, 1], weights[:, 1].double())


def pull(mu: Tensor, policy: Tensor, strength: float) -> Tensor:
    """-d loss / d logits, by autograd through the loss; `mu` gives the rows their weights."""
    logits = policy.log().requires_grad_()
    (gradient,) = torch.autograd.grad(mean_loss(mu, logits, strength), logits)
    return -gradient


def mean_loss(mu: Tensor, logits: Tensor, strength: float = 1.0) -> Tensor:
    """The loss of demonstrations of one token each, an outcome a row, with the weights mu, in float64."""
    policy = torch.full((len(mu),), 1 / len(mu), dtype=torch.float64)
    memory = VerifiedModes(slots=len(mu)).open([PROBLEM], seed=0)
    assert isinstance(memory, DemonstratingMemory)
    group = make_group(range(len(mu)), policy, [1.0] * len(mu))
    memory.record([group], step=1)
    train = shown_to(collate_demonstrations(memory.demonstrate([group]), lambda _: (0,)), groups=1)
    logprob = torch.zeros(len(mu), 2, dtype=torch.float64)
    logprob[:, 1] = logits.log_softmax(0)
    loss = DemonstrationLoss(penalties=(Likelihood(coefficient=strength),))
    weights = loss.weigh(train.batch)
    exact = torch.stack([torch.zeros_like(mu), mu], dim=1)
    assert bool(((weights.penalty > 0) == (exact >= 0) & train.batch.loss_mask).all())
    total, _ = loss(Forward(logprob, logprob.detach()), train, type(weights)(weights.surrogate, exact))
    return total


def test_the_pull_of_the_parts_is_lambda_times_mu_minus_p() -> None:
    policy = torch.tensor([0.3, 0.1, 0.4, 0.2], dtype=torch.float64)
    mu = bank([0, 1, 1, 1], 4)
    torch.testing.assert_close(mu, torch.tensor([0.5, 0.5, 0, 0], dtype=torch.float64))
    torch.testing.assert_close(pull(mu, policy, 0.3), 0.3 * (mu - policy))


def test_shares_by_frequency_pull_along_the_gradient_of_success() -> None:
    """Met as often as the policy says, 3 to 1 at P = .4: mu - p = 2.5 grad P. That is why it is the control."""
    policy = torch.tensor([0.3, 0.1, 0.4, 0.2], dtype=torch.float64)
    right = torch.tensor([1.0, 1, 0, 0], dtype=torch.float64)
    mu = bank([0, 0, 0, 1], 4, shares="frequency")
    torch.testing.assert_close(pull(mu, policy, 1.0), 2.5 * policy * (right - 0.4), atol=1e-8, rtol=0)
    uniform = pull(bank([0, 0, 0, 1], 4), policy, 1.0)
    assert float(uniform[1] - uniform[0]) == pytest.approx(0.2, abs=1e-6), "the rare mode gains on the other"


# ------------------------------------------------------------------------------------------------ exact trajectories


def flow(mu: Tensor, strength: float) -> Iterator[Tensor]:
    """Dr. GRPO and replay from (.12, .06 | .82), explicit Euler of .1 on the logits."""
    logits = torch.tensor(START, dtype=torch.float64).log()
    table = dr_grpo()
    while True:
        policy = logits.softmax(0)
        yield policy
        logits = logits + 0.1 * (table.update(policy) + strength * (mu - policy))


@cache
def dr_grpo() -> Any:
    return tabulate(Rule(Credit(baselines=(MeanCentre(),))), torch.tensor(START, dtype=torch.float64), WORTH, SIBLINGS)


ROWS = {
    "uniform .01": (([0, 1], {}), 0.01, 0.2427, 0.1471, 0.5),
    "uniform .1": (([0, 1], {}), 0.1, 0.3511, 0.4982, 0.5),
    "one mode .1, the larger": (([0], {"slots": 1}), 0.1, 0.1592, 0.0450, 0.0024),
    "one mode .1, the smaller": (([1], {"slots": 1}), 0.1, 0.4925, 0.1515, 0.0033),
}


@pytest.mark.parametrize("name", ROWS)
def test_diversity_at_equal_success(name: str) -> None:
    """PCMD where P first reaches .9 and .99; without replay .2285 and .0936."""
    (met, settings), strength, at_90, at_99, _ = ROWS[name]
    found: list[float] = []
    for policy in flow(bank(met, 3, WORTH, **settings), strength):
        if float(policy[:2].sum()) >= (0.9, 0.99)[len(found)]:
            found.append(pcmd_of(policy, 2))
        if len(found) == 2:
            break
    assert found == pytest.approx([at_90, at_99], abs=6e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_diversity_in_the_end(name: str) -> None:
    """PCMD after 20,000 steps; without replay .0175."""
    (met, settings), strength, *_, last = ROWS[name]
    (policy,) = islice(flow(bank(met, 3, WORTH, **settings), strength), 20_000, 20_001)
    assert pcmd_of(policy, 2) == pytest.approx(last, abs=6e-5)


# --------------------------------------------------------------------------------------------------- floor, starvation


def test_a_small_replay_loss_is_a_floor_under_every_kept_mode() -> None:
    """Mean loss <= C over k modes: p_b >= exp(-k C), and sharper, kl(1/k, p_b) <= C - ln k.

    Sixteen modes and C = ln 16 + .01: no mode is below .0339712, where the first bound says 4.6e-20.
    """
    k, bound = 16, math.log(16) + 0.01
    assert math.exp(-k * bound) == pytest.approx(4.6e-20, rel=0.01)
    low, high = 1e-9, 1 / k
    for _ in range(200):
        middle = (low + high) / 2
        divergence = 1 / k * math.log(1 / k / middle) + (1 - 1 / k) * math.log((1 - 1 / k) / (1 - middle))
        low, high = (middle, high) if divergence > bound - math.log(k) else (low, middle)
    assert low == pytest.approx(0.0339712, abs=5e-8)
    mu = bank(range(k), k)
    worst = torch.full((k,), (1 - low) / (k - 1), dtype=torch.float64)
    worst[3] = low
    assert float(mean_loss(mu, worst.log())) == pytest.approx(bound, abs=1e-6), "the floor is reached"
    draw, within = torch.Generator().manual_seed(0), 0
    for _ in range(300):
        logits = torch.randn(k, dtype=torch.float64, generator=draw) * 0.14
        if float(mean_loss(mu, logits)) <= bound:
            within += 1
            assert float(logits.softmax(0).min()) >= low - 1e-9
    assert 10 < within < 290


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [((0.5, 0.5), (5.077, 5.013, 5.002)), ((0.4, 0.4, 0.2), (6.601, 6.670, 6.668))],
    ids=["one kept mode", "two kept modes"],
)
def test_a_right_mode_that_is_not_kept_starves(policy: tuple[float, ...], wanted: tuple[float, ...]) -> None:
    """Replay alone, lambda .1: t p goes to 1 / (lambda (1 + 1/k)), 5 and 6.667.

    The gap w to a kept mode obeys w + k e^w = (1 + 1/k) lambda t + its value at 0, exactly. The golden numbers, at
    t = 1e3, 1e4 and 1e5, were integrated in coarser steps: they agree to two in a thousand.
    """
    k, strength = len(policy) - 1, 0.1
    mu = bank(range(k), k + 1)
    logits, time, found = torch.tensor(policy, dtype=torch.float64).log(), 0.0, []

    def speed(at: Tensor) -> Tensor:
        return strength * (mu - at.softmax(0))

    def constant() -> float:
        gap = float(logits[0] - logits[-1])
        return gap + k * math.exp(gap) - (1 + 1 / k) * strength * time

    begun = constant()
    for end in (1e3, 1e4, 1e5):
        while time < end:
            h = min(0.02 * time + 0.1, end - time)
            first = speed(logits)
            second = speed(logits + h / 2 * first)
            third = speed(logits + h / 2 * second)
            fourth = speed(logits + h * third)
            logits, time = logits + h / 6 * (first + 2 * second + 2 * third + fourth), time + h
        assert constant() == pytest.approx(begun, abs=1e-3)
        found.append(time * float(logits.softmax(0)[-1]))
    assert found == pytest.approx(wanted, rel=2e-3)
    assert found[-1] == pytest.approx(1 / (strength * (1 + 1 / k)), abs=3e-3)


def test_the_published_strength_of_a_lone_exemplar_is_that_of_a_lone_success() -> None:
    """One right sibling of 16 pushes its own logit by A / G (1 - p), an exemplar at strength 1 by s (1 - p)."""
    advantage = 1 - 1 / SIBLINGS
    assert replay_scale(SIBLINGS) == advantage / SIBLINGS
