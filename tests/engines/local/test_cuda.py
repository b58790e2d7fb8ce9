"""On a GPU: the numbers of a CPU. Skipped where there is none."""

import copy
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engines.local.test_policy import LOSS, random_batch
from forage.core.protocols import SampleRequest
from forage.core.records import SamplingParams
from forage.engines.local.decoding import GraphedPass, Work, cuda_graphs
from forage.engines.local.model import LocalModel
from forage.engines.local.policy import LocalPolicy
from forage.engines.local.sampler import LocalSampler
from forage.engines.optimization import Optimization

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def policy(path: Path, device: str, *, dtype: str = "float32", share: bool = True, lr: float = 1e-3) -> LocalPolicy:
    model = LocalModel.load(path, device=device, dtype=dtype)
    settings = Optimization(lr=lr, mini_batches=1, grad_clip=math.inf)
    return LocalPolicy(model, settings, temperature=1.0, share_starts=share)


def siblings():
    """A batch whose groups begin alike."""
    train = random_batch()
    tokens = train.batch.tokens.clone()
    tokens[:, :8] = tokens[train.batch.group, :8]
    batch = replace(train.batch, tokens=tokens)
    return replace(train, experience=replace(train.experience, batch=batch))


def gradients(of: LocalPolicy) -> Tensor:
    of.improve(siblings(), LOSS, seed=0)
    return torch.cat([p.grad.flatten().cpu() for p in of.model.module.parameters() if p.grad is not None])


def test_log_probabilities_are_those_of_a_cpu(tiny_base: Path) -> None:
    found, expected = (policy(tiny_base, device).measure(siblings().batch) for device in ("cuda", "cpu"))
    torch.testing.assert_close(found.logprob, expected.logprob, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.entropy, expected.entropy, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("share", [True, False])
def test_gradients_are_those_of_a_cpu(tiny_base: Path, share: bool) -> None:
    expected = gradients(policy(tiny_base, "cpu", share=False))
    found = gradients(policy(tiny_base, "cuda", share=share))
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_sampled_log_probabilities_are_the_learners(tiny_base: Path) -> None:
    one = policy(tiny_base, "cuda")
    asked = [SampleRequest((2, 3, 4, 5 + n), 8, seed=n) for n in range(4)]
    for number, group in LocalSampler(one.model, rows=9).sample(asked, SamplingParams(max_tokens=16)):
        for sample in group:
            tokens = torch.tensor([[*asked[number].tokens, *sample.tokens]], device="cuda")
            with torch.no_grad():
                logits = one.model.head.logits(one.model.hidden(tokens))[0, 3:-1]
            exact = logits.double().log_softmax(1).gather(1, tokens[0, 4:, None])[:, 0].cpu()
            torch.testing.assert_close(torch.tensor(sample.logprobs).double(), exact, atol=1e-4, rtol=1e-4)


def test_graphs_decode_what_kernels_do(tiny_base: Path) -> None:
    model, graphs = policy(tiny_base, "cuda").model, cuda_graphs()
    captured: list[Work] = []

    def counted(work: Work) -> Work:
        captured.append(graphs(work))
        return captured[-1]

    asked = [SampleRequest(tuple(range(2, 4 + 2 * n)), 16, seed=n) for n in range(4)]
    params = SamplingParams(max_tokens=48)
    decoding = partial(GraphedPass, capture=counted)
    found = dict(LocalSampler(model, rows=24, decoding=decoding).sample(asked, params))
    assert captured
    for number, group in LocalSampler(model, rows=24).sample(asked, params):
        for one, other in zip(group, found[number], strict=True):
            assert other.tokens == one.tokens
            assert other.logprobs == pytest.approx(one.logprobs, abs=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_learning_goes_on_from_a_saved_state(tiny_base: Path, tmp_path: Path, dtype: str) -> None:
    one = policy(tiny_base, "cuda", dtype=dtype)
    one.improve(siblings(), LOSS, seed=0)
    one.save(tmp_path / "saved")
    tensors, numbers = copy.deepcopy(one.optimizer_state())
    other = policy(tmp_path / "saved", "cuda", dtype=dtype)
    other.restore_optimizer(tensors, numbers)
    for learner in (one, other):
        learner.improve(siblings(), LOSS, seed=1)
    for mine, theirs in zip(one._parameters, other._parameters, strict=True):
        assert mine.is_cuda
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5)
