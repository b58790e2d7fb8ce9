"""Where a diversity term must enter: exact mean-field dynamics of the real parts, and where they come to rest.

Two right modes and a wrong answer from (.12, .06 | .82), 16 siblings, explicit Euler of .1 on the logits. PCMD begins
at .4444 and is at most .5.
"""

import math
from dataclasses import dataclass
from itertools import islice

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience, TrainBatch
from forage.core.protocols import Forward
from forage.parts.credit.baseline.max_rl import MaxRL
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.signed_reward import SignedReward
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.losses.penalty import KLPenalty
from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.parts.rewards.unlikeliness import Unlikeliness
from forage.parts.signals.mode_weights import ModeWeight
from support.tabular import Rule, flow, pcmd_of, tabulate

START, WORTH, SIBLINGS = (0.12, 0.06, 0.82), (1.0, 1.0, 0.0), 16
GRPO = (MeanCentre(), StdScale(ddof=0, eps=0.0))


def plain(*baselines: MeanCentre | StdScale | MaxRL | SignedReward) -> Rule:
    return Rule(Credit(baselines=baselines))


def weighted(reward: ModeDiversity | Unlikeliness, *, ranked: bool = False) -> Rule:
    return Rule(Credit(baselines=(MeanCentre(),)), rewards=(reward,), ranked=ranked)


def scaled(rule: ModeWeight, *baselines: MeanCentre | StdScale) -> Rule:
    return Rule(Credit(baselines=baselines or (MeanCentre(),), shapes=(ModeScale(),)), signals=(rule,))


@dataclass(frozen=True)
class Row:
    """PCMD where P first reaches .9 and .99, and after 20,000 steps."""

    rule: Rule
    at_90: float
    at_99: float
    last: float
    steps: tuple[int, int] | None = None


ROWS = {
    "Dr. GRPO": Row(plain(MeanCentre()), 0.2285, 0.0936, 0.0175, (133, 674)),
    "GRPO": Row(plain(*GRPO), 0.2285, 0.0942, 0.0088, (56, 199)),
    "MaxRL": Row(plain(MaxRL()), 0.2292, 0.0943, 0.0171, (74, 567)),
    "PSR": Row(plain(SignedReward(positive=1, negative=0)), 0.2282, 0.0936, 0.0170),
    "NSR": Row(plain(SignedReward(positive=0, negative=-1)), 0.2282, 0.0936, 0.0170),
    "W-REINFORCE": Row(plain(SignedReward()), 0.2290, 0.0937, 0.0162),
    "1/n after": Row(scaled(ModeWeight(rule="inverse")), 0.3075, 0.1614, 0.0373),
    "uniqueness on GRPO": Row(scaled(ModeWeight(rule="uniqueness"), *GRPO), 0.4125, 0.2910, 0.0516),
    "Cue": Row(scaled(ModeWeight(rule="cue")), 0.4141, 0.4122, 0.4098),
    "IPS": Row(weighted(ModeDiversity()), 0.4997, 0.5, 0.5, (43, 350)),
    "IPS, standardised": Row(Rule(Credit(baselines=GRPO), rewards=(ModeDiversity(),)), 0.4996, 0.5, 0.5),
    "GAPO": Row(weighted(ModeDiversity(rule="gapo", modes=2)), 0.3730, 0.5, 0.5),
    "DARLING": Row(weighted(ModeDiversity(rule="darling")), 0.4894, 0.5, 0.5),
    "DARLING, right ones": Row(weighted(ModeDiversity(rule="darling_right")), 0.4997, 0.5, 0.5),
    "repetition before": Row(weighted(ModeDiversity(rule="repetition", key="text")), 0.3317, 0.5, 0.5),
    "unlikeliness": Row(weighted(Unlikeliness(), ranked=True), 0.2917, 0.5, 0.5),
}


def milestones(rule: Rule) -> tuple[tuple[int, float], tuple[int, float]]:
    """(step, PCMD) where P first reaches .9 and .99."""
    reached: list[tuple[int, float]] = []
    for number, policy in enumerate(flow(rule, START, WORTH, SIBLINGS, h=0.1)):
        if float(policy[:2].sum()) >= (0.9, 0.99)[len(reached)]:
            reached.append((number, pcmd_of(policy, 2)))
        if len(reached) == 2:
            return reached[0], reached[1]
    raise AssertionError("unreachable")


@pytest.mark.parametrize("name", ROWS)
def test_diversity_at_equal_success(name: str) -> None:
    row = ROWS[name]
    (first, at_90), (second, at_99) = milestones(row.rule)
    assert at_90 == pytest.approx(row.at_90, abs=6e-5)
    assert at_99 == pytest.approx(row.at_99, abs=6e-5)
    assert row.steps is None or (first, second) == row.steps


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_diversity_in_the_end(name: str) -> None:
    (policy,) = islice(flow(ROWS[name].rule, START, WORTH, SIBLINGS, h=0.1), 20_000, 20_001)
    assert pcmd_of(policy, 2) == pytest.approx(ROWS[name].last, abs=6e-5)


# ------------------------------------------------------------------------------------------- inverse propensity: rest


def rest(rule: Rule, worth: tuple[float, float], size: int) -> float:
    """Where the weaker of two right modes comes to rest, 0 where it dies out: by bisection on the mean update."""
    table = tabulate(rule, torch.tensor([0.5, 0.5], dtype=torch.float64), worth, size)

    def gains(p: float) -> bool:
        update = table.update(torch.tensor([1 - p, p], dtype=torch.float64))
        return float(update[1] - update[0]) > 0

    low, high = 1e-6, 0.5
    if not gains(low):
        return 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if gains(middle) else (low, middle)
    return low


BASELINES = {"none": (), "mean": (MeanCentre(),), "std": GRPO}


@pytest.mark.parametrize(
    ("baseline", "size", "golden"),
    [
        *(("none", size, p) for size, p in ((4, 0), (5, 0.073481), (6, 0.114873), (8, 0.156998), (16, 0.194992))),
        *(("mean", size, p) for size, p in ((5, 0), (6, 0.073481), (7, 0.114873), (8, 0.140352), (16, 0.193606))),
        *(("std", size, p) for size, p in ((5, 0), (6, 0.186398), (8, 0.133175))),
    ],
)
def test_where_inverse_propensity_rests_and_when_the_weaker_mode_survives(
    baseline: str, size: int, golden: float
) -> None:
    """Rewards 4 and 1, alpha 1: the ideal is .2. Survival: 1 > ln 4 / ln G, or ln 4 / ln(G - 1) with a group mean."""
    rule = Rule(Credit(baselines=BASELINES[baseline]), rewards=(ModeDiversity(),))
    assert rest(rule, (4.0, 1.0), size) == pytest.approx(golden, abs=2e-6)
    threshold = math.log(4) / math.log(size if baseline == "none" else size - 1)
    assert (golden > 0) == (threshold < 1)


@pytest.mark.parametrize(("baseline", "size"), [("none", 5), ("mean", 6)])
def test_a_gentler_power(baseline: str, size: int) -> None:
    rule = Rule(Credit(baselines=BASELINES[baseline]), rewards=(ModeDiversity(alpha=0.5),))
    assert rest(rule, (2.0, 1.0), size) == pytest.approx(0.068094, abs=2e-6)


# ------------------------------------------------------------------------------------------------ ties, drift, penalty


def test_without_a_baseline_equal_modes_drift_until_one_wins() -> None:
    """Expected steps until a mode exceeds theta: G / h^2 (U^2 / 2 + cosh U - 1), U = ln(theta / (1 - theta)): 411.6.

    Simulated with overshoot: 432 +- 5. The mean logit gap stays where it was.
    """
    size, h, theta, walkers = 8, 0.5, 0.95, 1000
    u = math.log(theta / (1 - theta))
    assert size / h**2 * (u * u / 2 + math.cosh(u) - 1) == pytest.approx(411.6, abs=0.05)
    advantage = float(SignedReward(positive=1, negative=0)(torch.ones(1), torch.zeros(1, dtype=torch.int64))[0])
    draw = torch.Generator().manual_seed(0)
    gap, steps = torch.zeros(walkers, dtype=torch.float64), torch.zeros(walkers)
    active = torch.ones(walkers, dtype=torch.bool)
    while active.any():
        p = gap.sigmoid()
        first = torch.binomial(torch.full_like(p, size), p, generator=draw)
        # The logits move by h A (k/G - p) and by its negative: the gap by twice that.
        gap = torch.where(active, gap + 2 * h * advantage * (first / size - p), gap)
        steps += active
        active &= gap.abs() < u
    error = float(steps.std()) / walkers**0.5
    assert abs(float(steps.mean()) - 432) < 4 * error + 5
    assert abs(float(gap.mean())) < 5 * float(gap.std()) / walkers**0.5


def test_a_right_mode_that_is_a_little_behind_dies_slowly() -> None:
    """Dr. GRPO from (.36, .34 | .30): p2 / p1 = .90, .61, .16, .018 at t = 10, 1e3, 1e5, 1e7."""
    logits = torch.tensor([0.36, 0.34, 0.30], dtype=torch.float64).log()
    table = tabulate(plain(MeanCentre()), logits.exp(), WORTH, SIBLINGS)
    time, wanted = 0.0, {10.0: 0.90, 1e3: 0.61, 1e5: 0.16, 1e7: 0.018}
    for end, golden in wanted.items():
        while time < end:
            step = min(0.02 * time + 0.02, end - time)
            logits, time = logits + step * table.update(logits.softmax(0)), time + step
        assert float((logits[1] - logits[0]).exp()) == pytest.approx(golden, rel=0.05)


def test_a_kl_penalty_restores_the_ratio_of_the_base_and_not_balance() -> None:
    """Dr. GRPO rests at mu exp(a [right] / beta), a = (G - 1) / G: the KL part's own gradient cancels the rule's."""
    mu, beta = torch.tensor(START, dtype=torch.float64), 0.3
    optimum = (mu.log() + torch.tensor(WORTH) * 15 / 16 / beta).softmax(0)
    push = tabulate(plain(MeanCentre()), optimum, WORTH, SIBLINGS).update(optimum)
    pull = kl_gradient(optimum, mu)
    assert push.abs().max() > 0.01
    torch.testing.assert_close(push, beta * pull, atol=1e-6, rtol=0)
    assert pcmd_of(optimum, 2) == pytest.approx(pcmd_of(mu, 2), abs=1e-9)


def kl_gradient(policy: Tensor, mu: Tensor) -> Tensor:
    """The expected gradient of the KL penalty (estimator k2) by the logits: outcomes weighted by their probability."""
    logits = policy.log().requires_grad_()
    rows = len(policy)

    def column(values: Tensor) -> Tensor:
        return torch.stack([torch.zeros_like(values), values], dim=1)

    zeros = torch.zeros(rows, 2)
    batch = Batch(
        tokens=zeros.long(),
        loss_mask=column(torch.ones(rows)).bool(),
        origin=torch.zeros(rows).long(),
        behaviour=zeros,
        entropy=zeros,
        reward=torch.zeros(rows),
        group=torch.arange(rows),
        step=zeros.long(),
        step_reward=zeros,
        version=torch.zeros(rows).long(),
        weight=torch.ones(rows),
    )
    train = TrainBatch(Experience(batch, {"reference": column(mu.log())}), zeros)
    term = KLPenalty(coefficient=1.0, estimator="k2")(Forward(column(logits.log_softmax(0)), zeros), train)
    (gradient,) = torch.autograd.grad((policy.detach() * term[:, 1]).sum(), logits)
    return gradient
