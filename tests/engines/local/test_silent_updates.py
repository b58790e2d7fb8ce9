"""An update in which nothing has an advantage: AdamW's momentum moves the weights, and nothing else does."""

from dataclasses import replace
from pathlib import Path

import torch

from engines.local.test_policy import LOSS, policy, random_batch, weights


def test_a_silent_update_is_a_step_of_momentum(tiny_base: Path) -> None:
    train = random_batch()
    silent = replace(train, advantage=torch.zeros_like(train.advantage))
    one = policy(tiny_base, lr=1e-3)
    start = weights(one)
    one.improve(silent, LOSS, seed=0)
    assert all(map(torch.equal, weights(one), start)), "without momentum nothing moves"

    one.improve(train, LOSS, seed=0)
    before = weights(one)
    gradient = [parameter.grad.clone() for parameter in one.model.module.parameters() if parameter.grad is not None]
    one.improve(silent, LOSS, seed=0)
    # Moments after gradients 0, g, 0: m = .9 * .1 g, v = .95 * .05 g^2, each divided by 1 - beta^3.
    for now, then, g in zip(weights(one), before, gradient, strict=True):
        m, v = 0.09 * g.double() / (1 - 0.9**3), 0.0475 * g.double() ** 2 / (1 - 0.95**3)
        wanted = then.double() - 1e-3 * m / (v.sqrt() + 1e-8)
        torch.testing.assert_close(now.double(), wanted, atol=1e-6, rtol=1e-5)
