"""The arithmetic of thinking in embeddings: tables by hand, bounds, and the limit in which nothing is blended."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forage.core.errors import ForageError
from forage.ops.latent_thinking import blended_embedding, decay_parameter, expected_embedding, kept_share


def test_expectations_by_hand() -> None:
    # Three embeddings; p = (1/2, 1/4, 1/4) has sum p^2 = 3/8.
    embedding = torch.tensor([[4.0, 0.0], [0.0, 8.0], [4.0, 4.0]])
    probability = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    divisor = math.sqrt(3 / 8)
    expected = torch.tensor([[3 / divisor, 3 / divisor], [4.0, 4.0]])
    torch.testing.assert_close(expected_embedding(probability, embedding), expected)


def test_a_certain_policy_expects_the_token_itself_and_unrelated_embeddings_keep_their_length() -> None:
    embedding = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(expected_embedding(torch.eye(5), embedding), embedding)
    probability = torch.rand(9, 6, generator=torch.Generator().manual_seed(1)).softmax(1)
    norms = expected_embedding(probability, 3 * torch.eye(6)).norm(dim=1)
    torch.testing.assert_close(norms, torch.full((9,), 3.0))


@settings(max_examples=200, deadline=None)
@given(least=st.floats(0.01, 1.0), reset=st.floats(0.0, 1.0), c=st.floats(0.5, 20.0))
def test_the_kept_share_begins_as_lambda_to_the_r_and_stays_between_lambda_and_1(
    least: float, reset: float, c: float
) -> None:
    decay = decay_parameter(torch.tensor([least], dtype=torch.float64), c=c)
    kept = float(kept_share(decay, torch.tensor([[reset]], dtype=torch.float64), c=c))
    assert kept == pytest.approx(least**reset, rel=1e-9)
    assert least * (1 - 1e-12) <= kept <= 1


def test_the_beginning_is_exact_enough_in_float32() -> None:
    least = torch.linspace(0.98, 0.999, 20)
    kept = kept_share(decay_parameter(least), torch.ones(1, 20))[0]
    torch.testing.assert_close(kept, least, rtol=2e-7, atol=0)


def test_blends_by_hand() -> None:
    # a = 0.6: sqrt(1 - 0.36) = 0.8, so 0.6 * 2 + 0.8 * (0.5 * 10) = 5.2. a = 0.8: 1.6 + 0.6 * 0.25 * 10 = 3.1.
    ones = torch.ones(1, 2)
    blend = blended_embedding(2 * ones, 10 * ones, torch.tensor([[0.6, 0.8]]), torch.tensor([[0.5, 0.25]]))
    torch.testing.assert_close(blend, torch.tensor([[5.2, 3.1]]), rtol=1e-6, atol=0)
    # eps is under the root: at a = 0.999, 1 - a^2 = 0.001999.
    blend = blended_embedding(0 * ones, ones, 0.999 * ones, ones, eps=0.001)
    torch.testing.assert_close(blend, math.sqrt(0.002999) * ones, rtol=1e-4, atol=0)


def test_what_is_kept_whole_is_the_embedding_bit_for_bit_and_learns_nothing() -> None:
    draw = torch.Generator().manual_seed(0)
    embedding, expected = (torch.randn(3, 4, generator=draw).requires_grad_() for _ in range(2))
    kept = torch.ones(3, 4, requires_grad=True)
    blend = blended_embedding(embedding, expected, kept, torch.full((3, 4), 0.5))
    assert torch.equal(blend, embedding)
    blend.sum().backward()
    assert torch.equal(embedding.grad, torch.ones(3, 4))  # pyright: ignore[reportArgumentType]
    assert torch.equal(expected.grad, torch.zeros(3, 4))  # pyright: ignore[reportArgumentType]
    assert bool(kept.grad.isfinite().all())  # pyright: ignore[reportOptionalMemberAccess]


def test_gradients_of_open_gates() -> None:
    draw = torch.Generator().manual_seed(2)
    embedding, expected, kept, inject = (torch.rand(2, 3, generator=draw, dtype=torch.float64) for _ in range(4))
    inputs = [each.requires_grad_() for each in (embedding, expected, kept, inject)]
    assert torch.autograd.gradcheck(blended_embedding, inputs)


def test_what_is_refused() -> None:
    with pytest.raises(ForageError, match="above 0 and at most 1"):
        decay_parameter(torch.tensor([0.5, 1.1]))
    with pytest.raises(ForageError, match="above 0 and at most 1"):
        decay_parameter(torch.tensor([0.0]))
    for call in (
        lambda: decay_parameter(torch.ones(1), c=0.0),
        lambda: kept_share(torch.ones(1), torch.ones(1, 1), c=-1),
    ):
        with pytest.raises(ForageError, match="constant c"):
            call()
    ones = torch.ones(2, 3)
    with pytest.raises(ForageError, match="eps"):
        blended_embedding(ones, ones, ones, ones, eps=0.0)
    with pytest.raises(ValueError, match="expected has shape"):
        blended_embedding(ones, ones[:, :2], ones, ones)
    with pytest.raises(ValueError, match="embedding has shape"):
        expected_embedding(ones, ones)
    with pytest.raises(ValueError, match="decay has shape"):
        kept_share(torch.ones(2), ones)
