import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from forage.core.errors import ForageError
from forage.ops.logprobs import token_logprobs_and_entropy

N, D, V = 7, 5, 11
HEADS: list[dict[str, Any]] = [
    {},
    {"bias": True},
    {"scale": 0.25},
    {"softcap": 3.0},
    {"temperature": 0.7},
    {"bias": True, "scale": 1.5, "softcap": 2.0, "temperature": 1.3},
]


def inputs(dtype: torch.dtype = torch.float64, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(N, D, generator=generator, dtype=torch.float64)
    weight = torch.randn(V, D, generator=generator, dtype=torch.float64)
    bias = torch.randn(V, generator=generator, dtype=torch.float64)
    tokens = torch.randint(V, (N,), generator=generator)
    return hidden.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_(), bias.to(dtype).requires_grad_(), tokens


def oracle(
    hidden: Tensor, weight: Tensor, tokens: Tensor, bias: Tensor | None, head: dict[str, Any]
) -> tuple[Tensor, Tensor]:
    """The definition, with all the logits at once."""
    logits = hidden @ weight.T
    logits = head.get("scale", 1.0) * (logits if bias is None else logits + bias)
    cap = head.get("softcap")
    logits = cap * torch.tanh(logits / cap) if cap else logits
    distribution = torch.distributions.Categorical(logits=logits / head.get("temperature", 1.0))
    return distribution.log_prob(tokens), distribution.entropy()


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("chunk", [1, 3, N, 1000])
def test_values_and_gradients_against_the_definition(head: dict[str, Any], chunk: int) -> None:
    hidden, weight, bias, tokens = inputs()
    offset = bias if head.get("bias") else None
    leaves = [hidden, weight, *([bias] if offset is not None else [])]
    settings = {name: value for name, value in head.items() if name != "bias"}
    ours = token_logprobs_and_entropy(hidden, weight, tokens, bias=offset, chunk=chunk, **settings)
    theirs = oracle(hidden, weight, tokens, offset, head)
    mix = torch.linspace(-1, 2, N, dtype=torch.float64)
    for part in ((1.0, 0.0), (0.0, 1.0), (0.3, -1.7)):
        mine, exact = (part[0] * (lp * mix).sum() + part[1] * (h * mix.flip(0)).sum() for lp, h in (ours, theirs))
        torch.testing.assert_close(mine, exact, rtol=1e-12, atol=1e-12)
        for got, wanted in zip(
            torch.autograd.grad(mine, leaves, retain_graph=True),
            torch.autograd.grad(exact, leaves, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


def test_gradcheck() -> None:
    hidden, weight, bias, tokens = inputs()

    def function(h: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return token_logprobs_and_entropy(h, w, tokens, temperature=0.9, chunk=2, bias=b, softcap=4.0, scale=0.8)

    assert torch.autograd.gradcheck(function, (hidden, weight, bias))


def test_known_entropies() -> None:
    # No weight: all logits equal, H = ln V. One huge logit: H = 0, log p = 0.
    tokens = torch.zeros(2, dtype=torch.int64)
    logprob, entropy = token_logprobs_and_entropy(torch.ones(2, 1), torch.zeros(8, 1), tokens)
    assert logprob.tolist() == pytest.approx([-math.log(8)] * 2)
    assert entropy.tolist() == pytest.approx([math.log(8)] * 2)
    weight = torch.tensor([[500.0], [0.0], [0.0]])
    logprob, entropy = token_logprobs_and_entropy(torch.ones(2, 1), weight, tokens)
    assert logprob.tolist() == [0, 0]
    assert entropy.tolist() == [0, 0]


def test_entropy_ignores_an_offset_of_the_logits_and_temperature_divides_them() -> None:
    hidden, weight, _, tokens = inputs()
    _, plain = token_logprobs_and_entropy(hidden, weight, tokens, temperature=0.5)
    _, shifted = token_logprobs_and_entropy(
        hidden, weight, tokens, temperature=0.5, bias=torch.full((V,), 9.0, dtype=torch.float64)
    )
    _, scaled = token_logprobs_and_entropy(hidden * 2, weight, tokens)
    torch.testing.assert_close(shifted, plain)
    torch.testing.assert_close(scaled, plain)


def test_a_token_that_cannot_occur_leaves_everything_finite() -> None:
    bias = torch.tensor([0.0, 0.0, -math.inf])
    hidden, weight = torch.randn(2, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True)
    logprob, entropy = token_logprobs_and_entropy(hidden, weight, torch.tensor([0, 1]), bias=bias)
    assert (entropy <= math.log(2) + 1e-6).all()
    for grad in torch.autograd.grad(logprob.sum() + entropy.sum(), [hidden, weight]):
        assert grad.isfinite().all()


def test_bfloat16_inputs_are_computed_in_float32() -> None:
    hidden, weight, _, tokens = inputs(torch.bfloat16)
    logprob, entropy = token_logprobs_and_entropy(hidden, weight, tokens, chunk=2)
    exact = oracle(hidden.double(), weight.double(), tokens, None, {})
    assert logprob.dtype == entropy.dtype == torch.float32
    torch.testing.assert_close(logprob.double(), exact[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy.double(), exact[1], rtol=1e-5, atol=1e-5)
    (logprob.sum() + entropy.sum()).backward()
    assert hidden.grad is not None
    assert hidden.grad.dtype == torch.bfloat16


class LargestTensor(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in result if isinstance(result, tuple | list) else (result,):
            if isinstance(item, Tensor):
                self.elements = max(self.elements, item.numel())
        return result


def test_no_tensor_is_larger_than_a_chunk_of_logits() -> None:
    tokens, hidden, vocabulary, chunk = 512, 4, 300, 16
    h, w = torch.randn(tokens, hidden, requires_grad=True), torch.randn(vocabulary, hidden, requires_grad=True)
    with LargestTensor() as seen:
        logprob, entropy = token_logprobs_and_entropy(h, w, torch.zeros(tokens, dtype=torch.int64), chunk=chunk)
        (logprob.sum() + entropy.sum()).backward()
    assert seen.elements == chunk * vocabulary
    with LargestTensor() as seen:  # the instrument does see the full logits where they exist
        oracle(h, w, torch.zeros(tokens, dtype=torch.int64), None, {})
    assert seen.elements >= tokens * vocabulary


def test_no_tokens_at_all() -> None:
    hidden, weight = torch.zeros(0, D, requires_grad=True), torch.ones(V, D, requires_grad=True)
    logprob, entropy = token_logprobs_and_entropy(hidden, weight, torch.zeros(0, dtype=torch.int64))
    assert len(logprob) == len(entropy) == 0
    (logprob.sum() + entropy.sum()).backward()
    assert weight.grad is not None
    assert (weight.grad == 0).all()


def test_wrong_arguments_are_explained() -> None:
    hidden, weight, bias, tokens = inputs()
    for temperature in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ForageError, match="temperature"):
            token_logprobs_and_entropy(hidden, weight, tokens, temperature=temperature)
    with pytest.raises(ForageError, match="chunk"):
        token_logprobs_and_entropy(hidden, weight, tokens, chunk=0)
    with pytest.raises(ValueError, match="hidden has shape"):
        token_logprobs_and_entropy(hidden[:3], weight, tokens)
    with pytest.raises(ValueError, match="bias has shape"):
        token_logprobs_and_entropy(hidden, weight, tokens, bias=bias[:3])
