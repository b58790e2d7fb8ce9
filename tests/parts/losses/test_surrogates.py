"""Tables worked by hand and reductions of one surrogate to another. The laws are in test_laws.py."""

import math

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.core.protocols import Surrogate
from forage.parts.losses.reduction import FixedLength, SequenceMean, TokenMean
from forage.parts.losses.surrogate import CISPO, GSPO, PPOClip, Reinforce
from laws import make_forward, make_train


def one_row(
    part: Surrogate, ratios: list[float], advantages: list[float]
) -> tuple[list[float], list[bool], list[float]]:
    """Losses, clipped and gradients of tokens with behaviour log-probability -1."""
    behaviour = torch.full((1, len(ratios)), -1.0)
    logprob = (behaviour + torch.tensor(ratios).log()).requires_grad_()
    loss, clipped = part(logprob, behaviour, torch.tensor([advantages]), torch.ones(1, len(ratios), dtype=torch.bool))
    (grad,) = torch.autograd.grad(loss.sum(), logprob)
    return loss[0].tolist(), clipped[0].tolist(), grad[0].tolist()


def test_ppo_clip_by_hand() -> None:
    # A = 1: min(r, 1.28) for r up, r itself for r down. A = -1: max(r, .8): below .8 it is held.
    losses, clipped, grads = one_row(PPOClip(low=0.2, high=0.28), [1.25, 1.5, 0.5, 1.5, 0.5], [1, 1, 1, -1, -1])
    assert losses == pytest.approx([-1.25, -1.28, -0.5, 1.5, 0.8])
    assert clipped == [False, True, False, False, True]
    assert grads == pytest.approx([-1.25, 0, -0.5, 1.5, 0])


def test_clip_higher_with_equal_bounds_is_clip() -> None:
    ratios, advantages = [1.1, 1.25, 0.7, 0.9], [1.0, 1.0, -1.0, -2.0]
    assert one_row(PPOClip(low=0.2, high=0.2), ratios, advantages) == one_row(PPOClip(), ratios, advantages)


def test_cispo_by_hand() -> None:
    # The weight is min(r, 1.2), the gradient is never cut: -w A.
    losses, clipped, grads = one_row(CISPO(), [1.1, 3.0, 0.01, 3.0], [1, 1, 1, -2])
    assert grads == pytest.approx([-1.1, -1.2, -0.01, 2.4])
    assert clipped == [False, True, False, True]
    assert losses[0] == pytest.approx(-1.1 * (math.log(1.1) - 1))


def test_gspo_by_hand() -> None:
    # Two tokens with ratios 1.5 and .9: the sequence's is sqrt(1.35) = 1.1619, on both.
    losses, clipped, grads = one_row(GSPO(low=0.2, high=0.2), [1.5, 0.9], [1, 1])
    level = math.sqrt(1.35)
    assert losses == pytest.approx([-level, -level])
    assert clipped == [False, False]
    assert grads == pytest.approx([-level, -level])
    losses, clipped, grads = one_row(GSPO(low=0.2, high=0.1), [1.5, 0.9], [1, 1])
    assert losses == pytest.approx([-1.1, -1.1])
    assert clipped == [True, True]
    assert grads == [0, 0]


def test_gspo_is_the_sequence_objective() -> None:
    """With one advantage per sequence: value and gradient of -mean_i min(s_i A_i, clip(s_i) A_i)."""
    train = make_train()
    loss_mask, behaviour = train.batch.loss_mask, train.batch.behaviour
    advantage = torch.linspace(-1, 1, len(train.batch))
    logprob = make_forward(train).logprob
    part, weights = GSPO(low=0.1, high=0.15), SequenceMean()(loss_mask, torch.ones(len(train.batch)))
    loss, _ = part(logprob, behaviour, advantage[:, None] * loss_mask, loss_mask)
    ours = (weights * loss).sum()
    level = (((logprob - behaviour) * loss_mask).sum(1) / loss_mask.sum(1)).exp()
    theirs = -torch.minimum(level * advantage, level.clamp(0.9, 1.15) * advantage).mean()
    torch.testing.assert_close(ours, theirs)
    got, wanted = (torch.autograd.grad(value, logprob, retain_graph=True)[0] for value in (ours, theirs))
    torch.testing.assert_close(got, wanted)


def test_reinforce_is_what_all_agree_on_at_the_sampling_policy() -> None:
    train = make_train()
    logprob = train.batch.behaviour.clone().requires_grad_()

    def gradient(part: Surrogate) -> Tensor:
        loss, _ = part(logprob, train.batch.behaviour, train.advantage, train.batch.loss_mask)
        return torch.autograd.grad(loss.sum(), logprob)[0]

    for part in (PPOClip(), GSPO(), CISPO()):
        torch.testing.assert_close(gradient(part), gradient(Reinforce()))


@pytest.mark.parametrize("kind", [PPOClip, GSPO, CISPO])
def test_impossible_bounds_are_refused(kind: type[PPOClip]) -> None:
    for low, high in ((-0.1, 0.2), (1.5, 0.2), (0.2, -0.1), (math.nan, 0.2)):
        with pytest.raises(ForageError, match="Ratios are held"):
            kind(low=low, high=high)


# -------------------------------------------------------------------------------------------------------- reductions

LEARN = torch.tensor([[True, True, True, False], [True, False, False, False]])


def test_reductions_by_hand() -> None:
    # Three tokens and one token, weights 1 and 3.
    equal, unequal = torch.ones(2), torch.tensor([1.0, 3.0])
    assert TokenMean()(LEARN, equal)[LEARN].tolist() == [0.25] * 4
    assert TokenMean()(LEARN, unequal)[LEARN].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert SequenceMean()(LEARN, equal)[LEARN].tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert SequenceMean()(LEARN, unequal)[LEARN].tolist() == pytest.approx([1 / 12, 1 / 12, 1 / 12, 3 / 4])
    assert FixedLength(length=10)(LEARN, equal)[LEARN].tolist() == pytest.approx([1 / 20] * 4)
    assert FixedLength(length=10)(LEARN, unequal)[LEARN].tolist() == pytest.approx([1 / 40, 1 / 40, 1 / 40, 3 / 40])


def test_a_sequence_without_tokens_is_not_averaged_over() -> None:
    loss_mask = torch.cat([LEARN, torch.zeros(1, 4, dtype=torch.bool)])
    weight = torch.ones(3)
    assert SequenceMean()(loss_mask, weight)[:2].tolist() == SequenceMean()(LEARN, weight[:2]).tolist()


def test_no_length_is_refused() -> None:
    with pytest.raises(ForageError, match="length"):
        FixedLength(length=0)
