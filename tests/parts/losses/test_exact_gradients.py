"""The whole of credit and loss against the exact policy gradient, in a world where every sequence is enumerated.

Three tokens, of which 0 ends a sequence; at most three tokens; a softmax table for each of the seven states that a
sequence can pass through. 1 + 2 + 12 = 15 sequences. Every group of siblings that can be sampled is one group of a
single batch, weighted by its probability: the gradient of the loss is then the expectation of the gradient.
"""

import itertools
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from forage.core.batch import Batch, Experience
from forage.core.protocols import Assign, Baseline, Forward, Shape, Surrogate
from forage.parts.credit.assign.gae import Gae
from forage.parts.credit.assign.uniform import Uniform
from forage.parts.credit.baseline.leave_one_out import LeaveOneOut
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.pipeline import Credit
from forage.parts.credit.shape.entropy_bonus import EntropyBonus
from forage.parts.credit.shape.unclipped_entropy_bonus import UnclippedEntropyBonus
from forage.parts.losses.penalty import EntropyPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.reduction import FixedLength
from forage.parts.losses.surrogate import CISPO, GSPO, PPOClip, Reinforce

TOKENS, LENGTH = 3, 3


def enumerate_sequences() -> list[tuple[int, ...]]:
    full = itertools.product(range(TOKENS), repeat=LENGTH)
    cut = {seq[: seq.index(0) + 1] if 0 in seq else seq for seq in full}
    return sorted(cut)


SEQUENCES = enumerate_sequences()
STATES = sorted({seq[:t] for seq in SEQUENCES for t in range(len(seq))})
REWARD = torch.tensor([0.0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1])


@dataclass(frozen=True)
class World:
    """A policy, what it gives to each of the 15 sequences, and the exact gradient of its expected reward."""

    table: Tensor

    def logprobs(self) -> Tensor:
        """(15, 3) log-probability of each token of each sequence, 0 behind its end."""
        rows = [
            [self.table[STATES.index(seq[:t])].log_softmax(0)[seq[t]] for t in range(len(seq))]
            + [torch.zeros((), dtype=self.table.dtype)] * (LENGTH - len(seq))
            for seq in SEQUENCES
        ]
        return torch.stack([torch.stack(row) for row in rows])

    def entropies(self) -> Tensor:
        """(15, 3) entropy of the distribution that each token was drawn from."""
        by_state = torch.special.entr(self.table.softmax(1)).sum(1)
        rows = [
            [by_state[STATES.index(seq[:t])] for t in range(len(seq))]
            + [torch.zeros((), dtype=self.table.dtype)] * (LENGTH - len(seq))
            for seq in SEQUENCES
        ]
        return torch.stack([torch.stack(row) for row in rows])

    def values(self) -> Tensor:
        """(15, 3) the expected reward of the state before each token of each sequence, by enumeration."""
        chance = self.logprobs().detach().sum(1).exp()
        worth = {
            state: sum(
                (p * r for seq, p, r in zip(SEQUENCES, chance, REWARD, strict=True) if seq[: len(state)] == state),
                torch.zeros((), dtype=torch.float64),
            )
            / sum(p for seq, p in zip(SEQUENCES, chance, strict=True) if seq[: len(state)] == state)
            for state in STATES
        }
        return torch.stack(
            [
                torch.stack(
                    [worth[seq[:t]] if t < len(seq) else torch.zeros((), dtype=torch.float64) for t in range(3)]
                )
                for seq in SEQUENCES
            ]
        )

    def success(self) -> Tensor:
        return (self.logprobs().sum(1).exp() * REWARD).sum()


@pytest.fixture
def world() -> World:
    table = torch.randn(len(STATES), TOKENS, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return World(table.requires_grad_())


def expected_gradient(
    world: World,
    baselines: tuple[Baseline, ...],
    *,
    group_size: int,
    surrogate: Surrogate,
    assign: Assign | None = None,
    values: Tensor | None = None,
    shapes: tuple[Shape, ...] = (),
    penalties: tuple[EntropyPenalty, ...] = (),
) -> Tensor:
    """E over groups of `group_size` sampled sequences of the loss's gradient, times the constant length: (7, 3).

    `values` (15, 3), where given, is the signal `value` of each token of each sequence.
    """
    groups = torch.tensor(list(itertools.product(range(len(SEQUENCES)), repeat=group_size)))
    members = groups.flatten()
    logprob = world.logprobs()
    chance = logprob.detach().sum(1).exp()[groups].prod(1)
    length = torch.tensor([len(seq) for seq in SEQUENCES])
    loss_mask = (torch.arange(LENGTH)[None] < length[:, None])[members]

    def column(x: Tensor) -> Tensor:  # a first token that nothing comes before
        return torch.nn.functional.pad(x, (1, 0))

    blank = torch.zeros(len(members), LENGTH + 1)
    batch = Batch(
        tokens=blank.long(),
        loss_mask=column(loss_mask),
        origin=torch.zeros(len(members), dtype=torch.int64),
        behaviour=column(logprob.detach()[members]),
        entropy=column(world.entropies().detach()[members]),
        reward=REWARD[members],
        group=torch.arange(len(groups)).repeat_interleave(group_size),
        step=torch.where(column(loss_mask), 0, -1),
        step_reward=blank,
        version=torch.zeros(len(members), dtype=torch.int64),
        weight=chance.repeat_interleave(group_size),
    )
    signals = {"entropy": batch.entropy}
    if values is not None:
        signals["value"] = column(values[members])
    train = Credit(baselines=baselines, assign=assign or Uniform())(Experience(batch, signals))
    loss = PolicyLoss(surrogate=surrogate, reduction=FixedLength(length=LENGTH), shapes=shapes, penalties=penalties)
    forward = Forward(column(logprob[members]), column(world.entropies()[members]))
    value, _ = loss(forward, train, loss.weigh(batch))
    return torch.autograd.grad(value, world.table)[0] * LENGTH


def exact_gradient(world: World) -> Tensor:
    return torch.autograd.grad(world.success(), world.table)[0]


def test_the_world_is_complete(world: World) -> None:
    assert len(SEQUENCES) == 15
    assert len(STATES) == 7
    assert world.logprobs().sum(1).exp().sum().item() == pytest.approx(1)


@pytest.mark.parametrize("surrogate", [Reinforce(), PPOClip(), GSPO(), CISPO()], ids=repr)
@pytest.mark.parametrize(
    ("baselines", "group_size", "factor"),
    [
        ((), 1, 1.0),
        ((LeaveOneOut(),), 2, 1.0),
        ((LeaveOneOut(),), 3, 1.0),
        # The mean holds the response itself with weight 1/n, which takes away that share of the gradient.
        ((MeanCentre(),), 2, 1 / 2),
        ((MeanCentre(),), 3, 2 / 3),
    ],
)
def test_on_policy_the_loss_has_the_exact_policy_gradient(
    world: World, baselines: tuple[Baseline, ...], group_size: int, factor: float, surrogate: Surrogate
) -> None:
    got = expected_gradient(world, baselines, group_size=group_size, surrogate=surrogate)
    torch.testing.assert_close(got, -factor * exact_gradient(world), rtol=1e-5, atol=1e-6)


def test_the_pass_at_k_baseline_has_the_gradient_of_pass_at_k(world: World) -> None:
    n, k = 3, 2
    (exact,) = torch.autograd.grad(1 - (1 - world.success()) ** k, world.table)
    got = expected_gradient(world, (PassAtK(k=k),), group_size=n, surrogate=PPOClip())
    torch.testing.assert_close(got, -exact * (1 - k / n) / k, rtol=1e-5, atol=1e-6)


def test_the_unclipped_bonus_is_a_state_baseline_and_the_cap_ends_that(world: World) -> None:
    def gradient(*shapes: Shape) -> Tensor:
        return expected_gradient(world, (LeaveOneOut(),), group_size=2, surrogate=PPOClip(), shapes=shapes)

    plain = gradient()
    assert (gradient(UnclippedEntropyBonus(alpha=0.4)) - plain).abs().max() < 1e-6
    assert (gradient(EntropyBonus(alpha=0.4, kappa=2.0)) - plain).abs().max() > 1e-3
    # A cap that almost never binds binds in groups without variance: their bonus is 0, and which groups those are
    # depends on the actions.
    assert (gradient(EntropyBonus(alpha=1e-3, kappa=1.01)) - plain).abs().max() > 1e-5


def test_the_entropy_penalty_has_the_gradient_of_the_mean_entropy(world: World) -> None:
    """Mean over the tokens that were sampled: the states are weighted by how often they are visited."""
    visits = world.logprobs().detach().sum(1).exp()[:, None] * torch.tensor(
        [[float(t < len(seq)) for t in range(LENGTH)] for seq in SEQUENCES], dtype=torch.float64
    )
    (exact,) = torch.autograd.grad((visits * world.entropies()).sum() / visits.sum(), world.table)
    with_penalty = expected_gradient(
        world, (LeaveOneOut(),), group_size=2, surrogate=PPOClip(), penalties=(EntropyPenalty(coefficient=0.3),)
    )
    without = expected_gradient(world, (LeaveOneOut(),), group_size=2, surrogate=PPOClip())
    torch.testing.assert_close(with_penalty - without, -0.3 * LENGTH * exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("surrogate", [Reinforce(), PPOClip()], ids=repr)
def test_generalised_advantages_of_exact_values_have_the_exact_gradient(
    world: World, lam: float, surrogate: Surrogate
) -> None:
    """With the true values every lam is unbiased: a token's later errors have mean 0 whatever it was."""
    values = world.values()
    torch.testing.assert_close(values[0, 0], world.success().detach())
    got = expected_gradient(world, (), group_size=1, surrogate=surrogate, assign=Gae(lam=lam), values=values)
    torch.testing.assert_close(got, -exact_gradient(world), rtol=1e-5, atol=1e-6)


def test_wrong_values_bias_the_gradient_unless_lam_is_1(world: World) -> None:
    wrong = world.values() + torch.linspace(-1, 1, 45, dtype=torch.float64).view(15, 3)
    # A value may depend on the state only: the sequences of one state must agree about it.
    for t in range(LENGTH):
        for state in STATES:
            rows = [i for i, seq in enumerate(SEQUENCES) if len(state) == t < len(seq) and seq[:t] == state]
            wrong[rows, t] = wrong[rows[0], t] if rows else 0

    def gradient(lam: float) -> Tensor:
        return expected_gradient(world, (), group_size=1, surrogate=PPOClip(), assign=Gae(lam=lam), values=wrong)

    torch.testing.assert_close(gradient(1.0), -exact_gradient(world), rtol=1e-5, atol=1e-6)
    assert (gradient(0.0) + exact_gradient(world)).abs().max() > 1e-2
