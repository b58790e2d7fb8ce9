"""Tables worked by hand; the laws of all surrogates are in test_laws.py."""

import math

import pytest
import torch

from forage.core.errors import ForageError
from forage.core.protocols import Surrogate
from forage.parts.losses.surrogate import PPOClip
from forage.parts.losses.trust_region import CEGPPO, DPPO, SAPO


def row(part: Surrogate, old: list[float], new: list[float], advantage: list[float]) -> tuple[list[float], ...]:
    """Losses, held (0 or 1) and gradients by log pi, of tokens of these probabilities."""
    logprob = torch.tensor([new]).log().requires_grad_()
    mask = torch.ones(1, len(old), dtype=torch.bool)
    loss, held = part(logprob, torch.tensor([old]).log(), torch.tensor([advantage]), mask)
    (grad,) = torch.autograd.grad(loss.sum(), logprob)
    return loss[0].tolist(), held[0].float().tolist(), grad[0].tolist()


def test_dppo_lets_a_rare_token_change_its_ratio_a_hundredfold() -> None:
    # .001 -> .1 has moved by .099; PPO clips it. .3 -> .55 has moved by .25, beyond the bound, where A > 0 wants it.
    old, new = [0.001, 0.3, 0.55, 0.3, 0.55], [0.1, 0.55, 0.3, 0.55, 0.3]
    _, held, grads = row(DPPO(), old, new, [1, 1, -1, -1, 1])
    assert held == [0, 1, 1, 0, 0]
    assert grads == pytest.approx([-20, 0, 0, 0.55 / 0.3, -0.3 / 0.55], rel=1e-5)  # the weight is held at 20
    assert row(PPOClip(), old[:1], new[:1], [1])[1] == [1]


def test_dppo_by_the_divergence_of_two_coins() -> None:
    # KL(.3 || .55) = .3 ln(.3/.55) + .7 ln(.7/.45) = .1274.
    divergence = 0.3 * math.log(0.3 / 0.55) + 0.7 * math.log(0.7 / 0.45)
    assert divergence == pytest.approx(0.1274, abs=1e-4)
    assert row(DPPO(bound=0.12, divergence="kl"), [0.3], [0.55], [1])[1] == [1]
    assert row(DPPO(bound=0.13, divergence="kl"), [0.3], [0.55], [1])[1] == [0]


def test_the_slope_of_the_soft_gate() -> None:
    # d loss / d r = -slope * A, and d r / d log pi = r. Slopes with tau 1: 1 at r = 1, .940015 at .5 and 1.5, .786448
    # at 2 (4 sigma (1 - sigma) of tau (r - 1)).
    ratios = [1.0, 0.5, 1.5, 2.0]
    _, held, grads = row(SAPO(), [0.2] * 4, [0.2 * r for r in ratios], [1] * 4)
    slopes = [-g / r for g, r in zip(grads, ratios, strict=True)]
    assert slopes == pytest.approx([1, 0.940015, 0.940015, 0.786448], abs=2e-6)
    assert held == [0, 0, 0, 0]
    _, _, blame = row(SAPO(), [0.2], [0.4], [-1])
    sigma = 1 / (1 + math.exp(-1.05))
    assert blame[0] / 2 == pytest.approx(4 * sigma * (1 - sigma), abs=1e-5)


def test_ce_gppo_keeps_a_bounded_gradient_where_ppo_has_none() -> None:
    # A = 1 at r 1.5: keep_high (1 + .2) = 1.2. A = -1 at r .5: keep_low (1 - .2) = .6 of the blame. Elsewhere r A.
    old, new = [0.2] * 4, [0.3, 0.1, 0.3, 0.1]
    losses, held, grads = row(CEGPPO(), old, new, [1, -1, -1, 1])
    assert held == [1, 1, 0, 0]
    assert grads == pytest.approx([-1.2, 0.6, 1.5, -0.5], rel=1e-5)
    ppo, clipped, stopped = row(PPOClip(), old, new, [1, -1, -1, 1])
    assert losses == pytest.approx(ppo)
    assert held == clipped
    assert row(CEGPPO(keep_low=0, keep_high=0), old, new, [1, -1, -1, 1])[2] == pytest.approx(stopped)


def test_settings_without_a_meaning_are_refused() -> None:
    for wrong in (lambda: DPPO(bound=0), lambda: SAPO(tau_positive=0), lambda: CEGPPO(keep_low=-1)):
        with pytest.raises(ForageError):
            wrong()
    with pytest.raises(ForageError, match="tv"):
        DPPO(divergence="nope")  # pyright: ignore[reportArgumentType]
