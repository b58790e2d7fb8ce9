"""A policy of one softmax whose outcomes are modes, and the exact mean update of the real parts on it.

One problem, one token: a draw is an outcome. Groups are enumerated as counts of outcomes, so an expectation is a finite
sum, in float64.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from forage.core.collate import collate
from forage.core.protocols import Reward, Signal, Tools
from forage.core.records import Group, Problem, Rollout, Score, Start
from forage.parts.credit.pipeline import Credit
from forage.parts.signals import measure

PROBLEM = Problem(id="tabular", prompt="", answer="", task="tabular")


@dataclass(frozen=True)
class Rule:
    """What a method does between rewards and advantages. `ranked`: it also reads which outcome is the likelier."""

    credit: Credit
    rewards: tuple[Reward, ...] = ()
    signals: tuple[Signal, ...] = ()
    ranked: bool = False


def compositions(outcomes: int, size: int) -> list[tuple[int, ...]]:
    """Every way to spread `size` siblings over the outcomes."""
    bars = itertools.combinations(range(size + outcomes - 1), outcomes - 1)
    return [tuple(b - a - 1 for a, b in itertools.pairwise((-1, *places, size + outcomes - 1))) for places in bars]


@dataclass(frozen=True)
class Table:
    """`own` (N, M): the sum of the advantages of the siblings of each outcome, in each of N compositions.

    `ways` (N,) multinomial coefficients, `counts` (N, M), `size` siblings.
    """

    counts: Tensor
    ways: Tensor
    own: Tensor
    size: int

    def update(self, policy: Tensor) -> Tensor:
        """(M,) the mean of (1/G) sum_i A_i grad log pi(y_i) by the logits, for pi (M,) float64."""
        chance = self.ways * policy.pow(self.counts).prod(1)
        return (chance @ self.own - (chance @ self.own.sum(1)) * policy) / self.size


def make_group(outcomes: Sequence[int], policy: Tensor, worth: Sequence[float]) -> Group:
    """Siblings of these outcomes, with their log-probabilities; outcome m is the token m, its text and its mode.

    An outcome is right where it is worth anything.
    """
    start = Start(PROBLEM)
    logprob = policy.log().tolist()
    rollouts = tuple(
        Rollout(start, (outcome,), (logprob[outcome],), (0.0,), str(outcome), (1,), "eos", 0) for outcome in outcomes
    )
    scores = tuple(
        Score(worth[m], {"correct": float(worth[m] > 0)}, mode=str(m) if worth[m] > 0 else None) for m in outcomes
    )
    return Group(start, rollouts, scores)


def tabulate(rule: Rule, policy: Tensor, worth: Sequence[float], size: int) -> Table:
    """The advantages that the parts give to every composition, through rewards, signals and credit as in a step."""
    counts = compositions(len(policy), size)
    groups = []
    for count in counts:
        group = make_group([m for m, n in enumerate(count) for _ in range(n)], policy, worth)
        scores = group.scores
        for reward in rule.rewards:
            scores = reward(group.rollouts, scores)
        groups.append(Group(group.start, group.rollouts, scores))
    tools = Tools(*[None] * 3)  # pyright: ignore[reportArgumentType]  (nothing here asks them)
    experience = measure(groups, collate(groups, lambda _: (0,)), rule.credit.needs, rule.signals, tools, seed=0)
    advantage = rule.credit(experience).advantage[:, 1].double().view(len(counts), size)
    outcome = experience.batch.tokens[:, 1].view(len(counts), size)
    own = torch.zeros(len(counts), len(policy), dtype=torch.float64).scatter_add_(1, outcome, advantage)
    ways = torch.tensor([math.factorial(size) / math.prod(map(math.factorial, count)) for count in counts])
    return Table(torch.tensor(counts), ways.double(), own, size)


def flow(rule: Rule, policy: Sequence[float], worth: Sequence[float], size: int, *, h: float) -> Iterator[Tensor]:
    """The policy after 0, 1, 2, ... steps of explicit Euler on the logits, (M,) float64 each."""
    logits = torch.tensor(policy, dtype=torch.float64).log()
    tables: dict[tuple[int, ...], Table] = {}
    while True:
        now = logits.softmax(0)
        yield now
        rank = tuple(now.argsort(stable=True).tolist()) if rule.ranked else ()
        if rank not in tables:
            tables[rank] = tabulate(rule, now, worth, size)
        logits = logits + h * tables[rank].update(now)


def pcmd_of(policy: Tensor, right: int) -> float:
    """The chance that two right answers differ in mode."""
    share = policy[:right] / policy[:right].sum()
    return float(1 - share.square().sum())
