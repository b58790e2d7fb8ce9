"""Rules that see only which siblings are right move a softmax along grad P: they differ in speed and in nothing else.

Every group of four is enumerated for pi = (.3, .1 | .4, .2), right | wrong, in float64.
"""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from forage.core.protocols import Baseline
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.baseline.max_rl import MaxRL
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.baseline.signed_reward import SignedReward
from forage.parts.credit.baseline.std_scale import StdScale
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.mode_scale import ModeScale
from forage.parts.rewards.mode_diversity import ModeDiversity
from forage.parts.signals.mode_weights import ModeWeight
from laws import BASELINES
from support.tabular import Rule, tabulate

PI = torch.tensor([0.3, 0.1, 0.4, 0.2], dtype=torch.float64)
RIGHT = torch.tensor([1.0, 1, 0, 0], dtype=torch.float64)
WORTH = (1.0, 1.0, 0.0, 0.0)


def grad_success(policy: Tensor, right: Tensor) -> Tensor:
    """dP/dlogits of a softmax: pi_k ([k right] - P)."""
    return policy * (right - policy @ right)


def mean_update(chain: Sequence[Baseline], policy: Tensor, right: Tensor, size: int) -> Tensor:
    """E[(1/G) sum_i A_i grad log pi(y_i)] over all groups of `size`, one at a time."""
    outcomes = torch.tensor(list(itertools.product(range(len(policy)), repeat=size)))
    advantage = right[outcomes].flatten()
    group = torch.arange(len(outcomes)).repeat_interleave(size)
    for part in chain:
        advantage = part(advantage, group)
    weight = policy[outcomes].prod(1)[:, None] * advantage.view_as(outcomes) / size
    scores = torch.nn.functional.one_hot(outcomes, len(policy)) - policy
    return (weight[..., None] * scores).sum((0, 1))


def coefficient(update: Tensor, direction: Tensor) -> float:
    return float(update @ direction / (direction @ direction))


GRPO = (MeanCentre(), StdScale(ddof=0, eps=0.0))
CHAINS: list[tuple[str, tuple[Baseline, ...], float]] = [
    ("REINFORCE", (), 1.0),
    ("PSR", (SignedReward(positive=1, negative=0),), 1.0),
    ("NSR", (SignedReward(positive=0, negative=-1),), 1.0),
    ("RLOO", (LeaveOneOut(),), 1.0),
    ("Dr. GRPO", (MeanCentre(),), 0.75),
    ("GRPO, population", GRPO, 1.620666),
    ("GRPO, sample", (MeanCentre(), StdScale(ddof=1, eps=0.0)), 1.403538),
    ("pass@2", (PassAtK(k=2),), 0.30),
    ("MaxRL", (MaxRL(),), 1.96),
    ("W-REINFORCE", (SignedReward(),), 1.1),
]


@pytest.mark.parametrize(("name", "chain", "golden"), CHAINS, ids=[name for name, _, _ in CHAINS])
def test_golden_speeds(name: str, chain: tuple[Baseline, ...], golden: float) -> None:
    update, direction = mean_update(chain, PI, RIGHT, 4), grad_success(PI, RIGHT)
    assert coefficient(update, direction) == pytest.approx(golden, abs=5e-7)
    assert (update - coefficient(update, direction) * direction).abs().max() < 1e-14


ALONE = [(case.part, False) for case in BASELINES]
CENTRED = [(case.part, True) for case in BASELINES if not isinstance(case.part, SignedReward | MaxRL)]
"""Some take rewards as they are."""


@pytest.mark.parametrize(("part", "centered"), [*ALONE, *CENTRED], ids=repr)
def test_every_baseline_moves_along_the_gradient_of_success(part: Baseline, centered: bool) -> None:
    """`laws.BASELINES` has every baseline there is. The speed is a_1 - a_0, a_r = E[A | own reward r]."""
    chain = (MeanCentre(), part) if centered else (part,)
    update, direction = mean_update(chain, PI, RIGHT, 4), grad_success(PI, RIGHT)
    speed = 0.0
    for others in itertools.product((0.0, 1.0), repeat=3):
        chance = math.prod(0.4 if r else 0.6 for r in others)
        for own in (1.0, 0.0):
            advantage = torch.tensor([own, *others], dtype=torch.float64)
            for step in chain:
                advantage = step(advantage, torch.zeros(4, dtype=torch.int64))
            speed += (1 if own else -1) * chance * float(advantage[0])
    assert (update - speed * direction).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("success", "grpo", "maxrl"),
    [(0.05, 3.267097, 10.734175), (0.2, 2.346172, 4.824078), (0.5, 1.934123, 1.999939), (0.9, 2.847812, 1.111111)],
)
def test_golden_speeds_of_sixteen_siblings(success: float, grpo: float, maxrl: float) -> None:
    policy = torch.tensor([success, 1 - success], dtype=torch.float64)
    direction = grad_success(policy, torch.tensor([1.0, 0], dtype=torch.float64))
    for baselines, golden in ((GRPO, grpo), ((MaxRL(),), maxrl)):
        table = tabulate(Rule(Credit(baselines=baselines)), policy, (1.0, 0.0), 16)
        assert coefficient(table.update(policy), direction) == pytest.approx(golden, abs=2e-6)
    assert maxrl == pytest.approx((1 - (1 - success) ** 15) / success, abs=5e-7)


DR_GRPO = Credit(baselines=(MeanCentre(),))
SCALED = Credit(baselines=(MeanCentre(),), shapes=(ModeScale(),))


@pytest.mark.parametrize(
    ("rule", "residual", "drift"),
    [
        (Rule(DR_GRPO, rewards=(ModeDiversity(),)), 0.0431, 0.2004),
        (Rule(SCALED, signals=(ModeWeight(rule="inverse"),)), 0.00647, 0.06606),
        (Rule(SCALED, signals=(ModeWeight(rule="uniqueness"),)), 0.00783, 0.0555),
        (Rule(DR_GRPO, rewards=(ModeDiversity(rule="repetition", key="text"),)), 0.00507, 0.08625),
    ],
    ids=["IPS", "1/n after", "uniqueness after", "repetition before"],
)
def test_rules_that_see_modes_do_not(rule: Rule, residual: float, drift: float) -> None:
    """Largest distance to the nearest multiple of grad P, and d log(p1 / p2) per unit step."""
    update, direction = tabulate(rule, PI, WORTH, 4).update(PI), grad_success(PI, RIGHT)
    distance = (update - coefficient(update, direction) * direction).abs().max()
    assert float(distance) == pytest.approx(residual, rel=2e-3)
    assert float(update[0] - update[1]) == pytest.approx(drift, abs=5e-6)


@pytest.mark.parametrize(("baseline", "drift"), [(MeanCentre(), 0.09), (MaxRL(), 0.2352)], ids=["Dr. GRPO", "MaxRL"])
def test_the_replicator_equation(baseline: Baseline, drift: float) -> None:
    """With kappa the speed: d log(p1/p2) = kappa (p1 - p2)(1 - P), dP = kappa [(1-P)^2 sum p^2 + P^2 sum of the wrong],
    and dPCMD = -2 Var_q(q) kappa P (1 - P): whichever right mode is ahead gains, so P rises while PCMD falls."""
    update = mean_update((baseline,), PI, RIGHT, 4)
    speed = coefficient(update, grad_success(PI, RIGHT))
    assert float(update[0] - update[1]) == pytest.approx(drift, abs=1e-12)
    assert drift == pytest.approx(speed * (0.3 - 0.1) * 0.6, abs=1e-12)
    velocity = PI * (update - PI @ update)  # of the probabilities, for this velocity of the logits
    rise = float(velocity[:2].sum())
    assert rise == pytest.approx(speed * (0.36 * (0.09 + 0.01) + 0.16 * (0.16 + 0.04)), abs=1e-12)
    q = PI[:2] / 0.4
    dq = velocity[:2] / 0.4 - q * rise / 0.4
    fall = float(-2 * (q * dq).sum())
    variance = float((q * q.square()).sum() - (q * q).sum() ** 2)
    assert fall == pytest.approx(-2 * variance * speed * 0.4 * 0.6, abs=1e-12)
    assert fall < 0 < rise


def test_a_group_in_which_all_are_equal_moves_nothing() -> None:
    for value in (0.0, 1.0):
        rewards, group = torch.full((8,), value, dtype=torch.float64), torch.zeros(8, dtype=torch.int64)
        for part in (MeanCentre(), LeaveOneOut(), MaxRL(), StdScale(), PassAtK(k=2)):
            assert (part(rewards, group) == 0).all()
