import pytest
import torch

from forage.ops.divergences import k1, k2, k3

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
KL = (P * (P / Q).log()).sum()


def test_exact_expectations() -> None:
    assert (P * k1(P.log(), Q.log())).sum() == pytest.approx(KL)
    assert (P * k3(P.log(), Q.log())).sum() == pytest.approx(KL)
    # Sum p l^2 / 2 by hand: (.5 + .2) * ln(2.5)^2 / 2 = .29386
    assert (P * k2(P.log(), Q.log())).sum() == pytest.approx(0.29386, abs=1e-5)


def test_signs_and_zero() -> None:
    assert (k2(P.log(), Q.log()) >= 0).all()
    assert (k3(P.log(), Q.log()) >= 0).all()
    assert (k1(P.log(), Q.log()) < 0).any()
    for estimator in (k1, k2, k3):
        assert (estimator(P.log(), P.log()) == 0).all()


def test_gradients_in_expectation() -> None:
    """Over tokens of p: k1 has none, k2 that of KL(p || q), k3 that of KL(q || p)."""
    logits = P.log().clone().requires_grad_()
    logp = logits.log_softmax(0)
    reverse = (logp.exp() * (logp - Q.log())).sum()
    forward = (Q * (Q.log() - logp)).sum()
    wanted = {
        k1: torch.zeros(3, dtype=torch.float64),
        k2: torch.autograd.grad(reverse, logits, retain_graph=True)[0],
        k3: torch.autograd.grad(forward, logits, retain_graph=True)[0],
    }
    for estimator, exact in wanted.items():
        (got,) = torch.autograd.grad((P * estimator(logp, Q.log())).sum(), logits, retain_graph=True)
        torch.testing.assert_close(got, exact, rtol=1e-9, atol=1e-12)
