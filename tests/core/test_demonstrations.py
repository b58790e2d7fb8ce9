"""Demonstrations reach the loss as rows of their own, exactly, and leave everything else as it is, bit for bit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from forage.core.batch import Experience, TrainBatch
from forage.core.collate import collate
from forage.core.demonstrations import DemonstratingMemory, Demonstration, collate_demonstrations, with_demonstrations
from forage.core.protocols import Memory
from forage.core.records import Group, Origin, Start
from forage.engines.local.engine import LocalEngine
from forage.engines.optimization import Optimization
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.pipeline import Credit
from forage.parts.losses.demonstrations import Likelihood
from forage.parts.losses.policy_loss import PolicyLoss
from forage.parts.memory.shuffled import ShuffledProblems
from support.builders import group, problem
from support.worlds import blank_model

SHOWN = (
    Demonstration(problem=problem("a"), tokens=(6, 1), group=0, weight=0.5),
    Demonstration(problem=problem("a"), tokens=(7,), group=0, weight=0.5),
    Demonstration(problem=problem("b"), tokens=(6,), group=1, logprobs=(-0.5,)),
)


class Showing(DemonstratingMemory):
    def demonstrate(self, groups: Sequence[Group]) -> tuple[Demonstration, ...]:
        return SHOWN

    def draw(self, count: int, *, step: int) -> tuple[Start, ...]:
        return ()

    def record(self, groups: Sequence[Group], *, step: int) -> None: ...

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None: ...


def prompt(_: object) -> tuple[int, ...]:
    return (2, 3)


def sampled() -> TrainBatch:
    batch = collate([group([1.0, 0.0], lengths=[1, 2]), group([0.0, 0.0], lengths=[1, 1])], prompt)
    return Credit(baselines=(MeanCentre(),))(Experience(batch, {}))


def test_layout_by_hand() -> None:
    rows = collate_demonstrations(SHOWN, prompt)
    assert rows.tokens.tolist() == [[2, 3, 6, 1], [2, 3, 7, 0], [2, 3, 6, 0]]
    assert rows.loss_mask.int().tolist() == [[0, 0, 1, 1], [0, 0, 1, 0], [0, 0, 1, 0]]
    assert rows.origin.tolist() == [Origin.DEMONSTRATION] * 3
    assert rows.group.tolist() == [0, 0, 1]
    assert rows.weight.tolist() == [0.5, 0.5, 1.0]
    assert rows.reward.isnan().all()
    assert rows.behaviour[2, 2] == -0.5
    assert rows.behaviour[0, 2].isnan()


def test_they_go_with_the_rows_of_their_group() -> None:
    train = with_demonstrations(sampled(), [], Showing(), prompt)
    second = train.rows(torch.tensor([2, 3]), 3).demonstrations
    assert second is not None
    assert second.tokens.tolist() == [[2, 3, 6, 0]]
    only_first = replace(train, demonstrations=collate_demonstrations(SHOWN[:2], prompt))
    assert only_first.rows(torch.tensor([2, 3])).demonstrations is None


def test_a_memory_that_shows_nothing_leaves_the_same_object() -> None:
    train, plain = sampled(), ShuffledProblems().open([problem()], seed=0)
    assert isinstance(plain, Memory)
    assert with_demonstrations(train, [], plain, prompt) is train


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return blank_model(tmp_path / "model")


def updated(base: Path, train: TrainBatch, loss: PolicyLoss, *, tokens: int = 64) -> tuple[list[Tensor], list[Tensor]]:
    """The gradients of one optimizer step and the weights after it."""
    settings = Optimization(mini_batches=1, grad_clip=1e9, micro_tokens=tokens)
    opened = LocalEngine(threads=1, matmul="highest").open(str(base), optimization=settings, temperature=1.0)
    opened.policy.improve(train, loss, seed=0)
    parameters = list(opened.policy.model.module.parameters())
    return [p.grad.clone() for p in parameters if p.grad is not None], [p.detach().clone() for p in parameters]


def test_strength_zero_and_no_demonstrations_are_the_base_loss_bit_for_bit(base: Path) -> None:
    plain = updated(base, sampled(), PolicyLoss())
    shown = with_demonstrations(sampled(), [], Showing(), prompt)
    zero = PolicyLoss(demonstration_penalties=(Likelihood(coefficient=0.0),))
    for train, loss in ((shown, zero), (shown, PolicyLoss()), (sampled(), zero)):
        for got, wanted in zip(updated(base, train, loss), plain, strict=True):
            assert all(torch.equal(a, b) for a, b in zip(got, wanted, strict=True))


@pytest.mark.parametrize("tokens", [64, 4])
def test_the_added_gradient_is_that_of_the_formula(base: Path, tokens: int) -> None:
    """.3 / 2 groups * (sum over demonstrations of weight times mean over tokens of -log pi), whatever is cut."""
    shown = with_demonstrations(sampled(), [], Showing(), prompt)
    loss = PolicyLoss(demonstration_penalties=(Likelihood(coefficient=0.3),))
    before, _ = updated(base, sampled(), loss, tokens=tokens)
    after, _ = updated(base, shown, loss, tokens=tokens)

    opened = LocalEngine(threads=1, matmul="highest").open(str(base), optimization=Optimization(), temperature=1.0)
    module = opened.policy.model.module
    total = torch.zeros(())
    for one in SHOWN:
        logits = module(torch.tensor([[*prompt(None), *one.tokens]])).logits[0].log_softmax(-1)
        chosen = torch.stack([logits[1 + place, token] for place, token in enumerate(one.tokens)])
        total = total - 0.3 / 2 * one.weight * chosen.mean()
    wanted = torch.autograd.grad(total, list(module.parameters()))
    assert max(float(gradient.abs().max()) for gradient in wanted) > 1e-3
    for got, plain, exact in zip(after, before, wanted, strict=True):
        torch.testing.assert_close(got - plain, exact, rtol=1e-4, atol=1e-6)
