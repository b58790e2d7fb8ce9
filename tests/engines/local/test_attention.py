"""The attention function against one written out with loops over nothing but definitions."""

import math

import pytest
import torch
from torch import Tensor, nn

from forage.core.errors import ForageError
from forage.engines.local import attention


def definition(
    query: Tensor, key: Tensor, value: Tensor, scaling: float, window: int | None, softcap: float | None
) -> Tensor:
    """Query i of T stands at position S - T + i and sees the keys at most window - 1 positions behind it."""
    rows, heads, queries, _ = query.shape
    keys = key.shape[2]
    out = torch.zeros(rows, queries, heads, value.shape[-1], dtype=query.dtype)
    for b in range(rows):
        for h in range(heads):
            shared = h * key.shape[1] // heads
            for i in range(queries):
                position = keys - queries + i
                low = 0 if window is None else max(0, position - window + 1)
                scores = key[b, shared, low : position + 1] @ query[b, h, i] * scaling
                if softcap is not None:
                    scores = softcap * (scores / softcap).tanh()
                out[b, i, h] = scores.softmax(0) @ value[b, shared, low : position + 1]
    return out


def tensors(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)

    def random(heads: int, length: int, width: int) -> Tensor:
        # The layout that modules hand over: heads transposed in front of positions.
        made = torch.randn(2, length, heads, width, generator=generator, dtype=torch.float64)
        return made.transpose(1, 2).requires_grad_()

    return random(6, queries, 4), random(2, keys, 4), random(2, keys, 5)


@pytest.mark.parametrize("block", [512, 4])
@pytest.mark.parametrize("softcap", [None, 0.7])
@pytest.mark.parametrize("window", [None, 3, 50])
@pytest.mark.parametrize(("queries", "keys"), [(11, 11), (5, 11), (1, 11), (1, 1)])
def test_is_the_definition_and_its_gradient(
    queries: int, keys: int, window: int | None, softcap: float | None, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "QUERY_BLOCK", block)
    inputs = tensors(queries, keys)
    options = {"scaling": 0.4, "softcap": softcap}
    found, weights = attention.attend(nn.Identity(), *inputs, None, sliding_window=window, **options)
    expected = definition(*inputs, window=window, **options)
    assert weights is None
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    probe = torch.linspace(-1, 1, expected.numel(), dtype=torch.float64).view_as(expected)
    for mine, theirs in zip(
        torch.autograd.grad((found * probe).sum(), inputs),
        torch.autograd.grad((expected * probe).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("window", [None, 3])
def test_rows_of_different_lengths_decode_side_by_side(window: int | None) -> None:
    query, key, value = tensors(1, 9)
    lengths = [9, 4]
    mask = torch.zeros(2, 1, 1, 9, dtype=torch.float64)
    mask[1, :, :, 4:] = -math.inf
    found, _ = attention.attend(nn.Identity(), query, key, value, mask, sliding_window=window)
    for row, length in enumerate(lengths):
        part = definition(
            query[row : row + 1], key[row : row + 1, :, :length], value[row : row + 1, :, :length], 0.5, window, None
        )
        torch.testing.assert_close(found[row : row + 1], part, atol=1e-6, rtol=0)


def test_what_it_does_not_know_it_refuses() -> None:
    query, key, value = tensors(3, 3)
    with pytest.raises(ForageError, match="s_aux"):
        attention.attend(nn.Identity(), query, key, value, None, s_aux=torch.zeros(6))
    with pytest.raises(ForageError, match="one token at a time"):
        attention.attend(nn.Identity(), query, key, value, torch.zeros(2, 1, 3, 3))
