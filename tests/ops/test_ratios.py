import math

import pytest
import torch

from forage.ops.ratios import clip, log_ratio, sequence_ratio, token_ratio

MASK = torch.tensor([[False, True, True], [True, False, False]])


def test_ratios_by_hand() -> None:
    logprob = torch.tensor([[math.nan, 0.0, -1.0], [-2.0, 5.0, 5.0]], requires_grad=True)
    behaviour = torch.tensor([[0.0, -1.0, -3.0], [-2.0, math.nan, 0.0]])
    assert log_ratio(logprob, behaviour, MASK).tolist() == [[0, 1, 2], [0, 0, 0]]
    assert token_ratio(logprob, behaviour, MASK)[0].tolist() == pytest.approx([1, math.e, math.e**2])
    # Row 0: exp((1 + 2) / 2) on both tokens.
    ratio = sequence_ratio(logprob, behaviour, MASK)
    assert ratio[0].tolist() == pytest.approx([1, math.exp(1.5), math.exp(1.5)])
    assert ratio[1].tolist() == [1, 1, 1]


def test_the_gradient_of_a_sequence_ratio_stays_on_its_token() -> None:
    # d s_t / d logprob_t = s, and the other tokens' log-probabilities have no part in it.
    logprob = torch.tensor([[0.0, -0.5, -1.0]], requires_grad=True)
    ratio = sequence_ratio(logprob, torch.tensor([[0.0, -1.0, -1.5]]), MASK[:1])
    (grad,) = torch.autograd.grad(ratio[0, 1], logprob)
    assert grad[0].tolist() == pytest.approx([0, math.exp(0.5), 0])


def test_clip() -> None:
    assert clip(torch.tensor([0.5, 1.0, 1.5]), 0.2, 0.25).tolist() == pytest.approx([0.8, 1.0, 1.25])
