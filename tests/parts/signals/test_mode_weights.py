"""The example of eight siblings, a a a b | x x y z, as signals of a batch."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from forage.core.collate import collate
from forage.core.errors import ForageError
from forage.core.protocols import Signal, Tools
from forage.core.records import Group, Score, Start
from forage.parts.signals.mode_weights import ModeWeight, SetBonus
from support.builders import problem, rollout

START = Start(problem())
NO_TOOLS = Tools(*[None] * 3)  # pyright: ignore[reportArgumentType]
MEANS = (-0.2, -0.2, -0.2, -0.5, -0.3, -0.4, -0.6, -0.1)


def example(version: int = 0) -> Group:
    rollouts = tuple(
        replace(rollout(START, (ord(letter), 7)), text=letter, logprobs=(mean, mean), version=version)
        for letter, mean in zip("aaabxxyz", MEANS, strict=True)
    )
    scores = tuple(Score(float(i < 4), {"correct": float(i < 4)}, mode="aaab"[i] if i < 4 else None) for i in range(8))
    return Group(START, rollouts, scores)


def seen(signal: Signal, *groups: Group) -> Tensor:
    batch = collate(groups, lambda _: (1,))
    values = signal(groups, batch, NO_TOOLS, seed=0)
    assert (values[~batch.loss_mask] == 0).all()
    assert torch.equal(values[:, 1], values[:, 2])
    return values[:, 1]


@pytest.mark.parametrize(
    ("signal", "wanted"),
    [
        (ModeWeight(rule="inverse"), [1 / 3] * 3 + [1] * 5),
        (ModeWeight(rule="uniqueness"), [1 / 3] * 3 + [1] + [0.5] * 2 + [1] * 2),
        (ModeWeight(rule="cue"), [2 / 3] * 3 + [2] + [1] * 4),
        (ModeWeight(rule="cue", alpha=0.8), [0.739614] * 3 + [1.781157] + [1] * 4),
        (ModeWeight(rule="ucpo"), [0.983914] * 3 + [1.048258] + [1] * 4),
        (SetBonus(), [-0.047619] * 3 + [0.047619] + [0] * 2 + [0.047619] * 2),
    ],
    ids=repr,
)
def test_golden_values_in_two_groups_at_once(signal: Signal, wanted: list[float]) -> None:
    torch.testing.assert_close(seen(signal, example(), example(1)), torch.tensor(wanted * 2), atol=1e-6, rtol=0)


@pytest.mark.parametrize("signal", [ModeWeight(rule="cue"), SetBonus()], ids=repr)
def test_the_placebo_deals_the_same_numbers_on_each_side(signal: ModeWeight | SetBonus) -> None:
    right, dealt = [], []
    for version in range(8):
        right.append(seen(signal, example(version)))
        dealt.append(seen(replace(signal, permuted=True), example(version)))
    for one, other in zip(right, dealt, strict=True):
        assert Counter(one[:4].tolist()) == Counter(other[:4].tolist())
        assert Counter(one[4:].tolist()) == Counter(other[4:].tolist())
    assert any(not torch.equal(one, other) for one, other in zip(right, dealt, strict=True))


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(ForageError, match="no mode weight"):
        ModeWeight(rule="nope")  # pyright: ignore[reportArgumentType]
