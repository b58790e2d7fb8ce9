"""The terms of IBRO and DGRO inside a loss: which way they push, and what they reduce to."""

import pytest
import torch

from forage.core.batch import TrainBatch
from forage.core.errors import ForageError
from forage.core.protocols import Forward
from forage.parts.credit.baseline.above_mean import AboveMean
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.losses.advantage_entropy import AdvantageEntropy
from forage.parts.losses.penalty import EntropyPenalty
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.losses.source_pull import ReferencePull, SamplerPull
from forage.parts.losses.surrogate import PPOClip, Reinforce
from laws import make_forward, make_train


def with_advantage(train: TrainBatch, value: float) -> TrainBatch:
    return TrainBatch(train.experience, torch.full_like(train.advantage, value) * train.batch.loss_mask)


def gradient(loss: PolicyLoss, forward: Forward, train: TrainBatch) -> torch.Tensor:
    total, _ = loss(forward, train, loss.weigh(train.batch))
    return torch.autograd.grad(total, forward.logprob)[0]


def test_a_constant_advantage_is_the_plain_bonus() -> None:
    train = with_advantage(make_train(), 0.75)
    forward = make_forward(train)
    ours = AdvantageEntropy(coefficient=0.2)(forward, train) * 0.2
    torch.testing.assert_close(ours, EntropyPenalty(coefficient=0.15)(forward, train) * 0.15)


def test_no_advantage_has_no_gradient() -> None:
    train = with_advantage(make_train(), 0.0)
    forward = make_forward(train)
    term = AdvantageEntropy(coefficient=0.2)(forward, train)
    assert (torch.autograd.grad(term.sum(), forward.entropy)[0] == 0).all()


def test_equal_entropies_and_advantages_around_zero_give_nothing() -> None:
    train = make_train()
    count = train.batch.loss_mask.sum()
    centered = (train.advantage - train.advantage.sum() / count) * train.batch.loss_mask
    forward = Forward(train.batch.behaviour, torch.full_like(train.advantage, 1.7))
    term = AdvantageEntropy(coefficient=1.0)(forward, TrainBatch(train.experience, centered))
    assert abs(float(term.sum())) < 1e-4


@pytest.mark.parametrize(("advantage", "unsigned", "rises"), [(1, False, True), (-1, False, False), (-1, True, True)])
def test_the_sign_decides_which_way_the_entropy_goes(advantage: float, unsigned: bool, rises: bool) -> None:
    """A step down the gradient of the term on a softmax of two tokens."""
    whole = with_advantage(make_train(zero_rows=0), advantage)
    train = whole.rows(torch.tensor([0]))
    logit = torch.tensor(1.0, requires_grad=True)

    def entropy(x: torch.Tensor) -> torch.Tensor:
        p = torch.sigmoid(x)
        return -(p * p.log() + (1 - p) * (1 - p).log())

    forward = Forward(train.batch.behaviour, entropy(logit).expand(train.advantage.shape))
    term = AdvantageEntropy(coefficient=1.0, unsigned=unsigned)(forward, train).sum()
    (grad,) = torch.autograd.grad(term, logit)
    moved = (logit - 0.01 * grad).detach()
    assert bool(entropy(moved) > entropy(logit.detach())) == rises


def test_the_pull_of_the_sampler_is_inert_on_policy_and_grows_off_it() -> None:
    train = make_train()
    still = Forward(train.batch.behaviour.clone().requires_grad_(), torch.zeros_like(train.advantage))
    term = SamplerPull(coefficient=1.0)(still, train)
    assert float(term.detach().sum()) == 0
    assert (torch.autograd.grad(term.sum(), still.logprob)[0] == 0).all()
    assert float(SamplerPull(coefficient=1.0)(make_forward(train), train).detach().sum()) > 0


def test_tokens_that_the_sampler_could_not_measure_are_left_out_of_its_pull() -> None:
    train = make_train()
    first = (torch.arange(len(train.batch)), train.batch.loss_mask.int().argmax(dim=1))
    train.batch.behaviour[first] = torch.nan
    term = SamplerPull(coefficient=1.0)(make_forward(train), train)
    assert term.isfinite().all()
    assert (term[first] == 0).all()


def test_gradient_and_pull_have_one_denominator() -> None:
    """The loss is the objective per response, summed, over the tokens of the step."""
    train = make_train()
    forward, mask = make_forward(train), train.batch.loss_mask
    loss = PolicyLoss(surrogate=Reinforce(), penalties=(ReferencePull(coefficient=0.3),))
    train.batch.weight.fill_(1.0)
    total, _ = loss(forward, train, loss.weigh(train.batch))
    ratio = ((forward.logprob - train.signals["reference"]) * mask).sum(dim=1)
    per_response = -(train.advantage * forward.logprob * mask).sum(dim=1) + 0.3 * ratio.square()
    torch.testing.assert_close(total, per_response.sum() / mask.sum())


def test_the_first_step_of_em_is_the_unclipped_gradient() -> None:
    train = make_train()
    forward = Forward(train.batch.behaviour.clone().requires_grad_(), torch.zeros_like(train.advantage))
    em = gradient(PolicyLoss(surrogate=Reinforce()), forward, train)
    clipped = gradient(PolicyLoss(surrogate=PPOClip(low=1.0, high=float("inf"))), forward, train)
    torch.testing.assert_close(em, clipped)


def test_dropping_negative_advantages_weighs_the_likelihood_of_the_better_siblings() -> None:
    reward, group = torch.tensor([1.0, 0.0, 0.0, 0.5, 0.5]), torch.tensor([1, 1, 1, 2, 2])
    assert AboveMean()(reward, group).tolist() == pytest.approx([2 / 3, 0, 0, 0, 0])
    kept = MeanCentre()(reward, group)
    assert torch.equal(AboveMean()(reward, group), kept.clamp_min(0))


def test_negative_weights_are_refused() -> None:
    for kind in (AdvantageEntropy, SamplerPull, ReferencePull):
        with pytest.raises(ForageError, match="weight"):
            kind(coefficient=-0.1)
