"""Rectangular records: what they refuse, and how rows are taken out of them."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from forage.core.batch import Batch, Experience, TokenWeights, TrainBatch

TENSORS = [field.name for field in fields(Batch)]


def batch(lengths: tuple[int, ...] = (3, 5, 4), width: int = 6) -> Batch:
    """Rows of one token of prompt and `lengths` - 1 learned ones; every number tells its row and place."""
    rows = len(lengths)
    numbers = torch.arange(rows)[:, None] * 10 + torch.arange(width)
    loss_mask = (torch.arange(width) > 0) & (torch.arange(width) < torch.tensor(lengths)[:, None])
    return Batch(
        tokens=numbers,
        loss_mask=loss_mask,
        origin=torch.zeros(rows, dtype=torch.int64),
        behaviour=-numbers.float(),
        entropy=numbers.float(),
        reward=torch.arange(rows).float(),
        group=torch.arange(rows) // 2,
        step=torch.where(loss_mask, 0, -1),
        step_reward=torch.zeros(rows, width),
        version=torch.arange(rows),
        weight=torch.ones(rows),
    )


def experience(of: Batch) -> Experience:
    return Experience(of, {"value": of.entropy + 0.5})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"loss_mask": torch.zeros(3, 5, dtype=torch.bool)}, r"loss_mask has shape \(3, 5\), not \(B, T\) = \(3, 6\)"),
        ({"step_reward": torch.zeros(3)}, "step_reward has shape"),
        ({"reward": torch.zeros(3, 1)}, r"reward has shape \(3, 1\), not \(B,\) = \(3,\)"),
        ({"version": torch.zeros(2, dtype=torch.int64)}, "version has shape"),
        ({"loss_mask": torch.zeros(3, 6)}, "loss_mask is torch.float32, not bool"),
        ({"loss_mask": torch.ones(3, 6, dtype=torch.bool)}, "nothing before it"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(batch(), **changes)


def test_lengths_are_one_past_the_last_learned_token() -> None:
    of = batch((3, 5, 1))
    assert len(of) == 3
    assert of.lengths.tolist() == [3, 5, 0]
    with_a_gap = of.loss_mask.clone()
    with_a_gap[1, 2] = False  # what somebody else wrote
    assert replace(of, loss_mask=with_a_gap).lengths.tolist() == [3, 5, 0]


@pytest.mark.parametrize("index", [torch.tensor([2, 0]), torch.tensor([True, False, True])])
def test_rows_are_taken_from_every_tensor(index: torch.Tensor) -> None:
    of = batch()
    taken = of.rows(index, 4)
    for name in TENSORS:
        whole = getattr(of, name)[index]
        assert torch.equal(getattr(taken, name), whole if whole.dim() == 1 else whole[:, :4])
    seen = experience(of).rows(index, 4)
    assert torch.equal(seen.signals["value"], (of.entropy + 0.5)[index, :4])
    assert torch.equal(experience(of).rows(index).signals["value"], (of.entropy + 0.5)[index])
    weights = TokenWeights(of.entropy, of.behaviour).rows(index, 2)
    assert torch.equal(weights.surrogate, of.entropy[index, :2])
    assert torch.equal(weights.penalty, of.behaviour[index, :2])


def test_signals_and_advantages_have_the_shape_of_the_tokens() -> None:
    of = batch()
    with pytest.raises(ValueError, match=r"signal 'value' has shape \(3, 5\)"):
        Experience(of, {"value": torch.zeros(3, 5)})
    with pytest.raises(ValueError, match="advantage has shape"):
        TrainBatch(experience(of), torch.zeros(2, 6))
    with pytest.raises(ValueError, match="unshaped has shape"):
        TrainBatch(experience(of), torch.zeros(3, 6), unshaped=torch.zeros(3))


def test_demonstrations_go_with_their_group() -> None:
    of = batch()  # groups 0, 0 and 1
    shown = replace(batch((4, 6)), group=torch.tensor([1, 0]))
    train = TrainBatch(experience(of), of.entropy, unshaped=of.behaviour, demonstrations=shown)
    first, last = train.rows(torch.tensor([0, 1]), 3), train.rows(torch.tensor([2]), 3)
    assert first.unshaped is not None
    assert torch.equal(first.advantage, of.entropy[:2, :3])
    assert torch.equal(first.unshaped, of.behaviour[:2, :3])
    for part, row in ((first, 1), (last, 0)):
        assert part.demonstrations is not None
        assert torch.equal(part.demonstrations.tokens, shown.tokens[row : row + 1]), "uncut"
    lonely = TrainBatch(experience(of), of.entropy, demonstrations=replace(shown, group=torch.tensor([7, 7])))
    assert lonely.rows(torch.tensor([0])).demonstrations is None
    assert train.rows(torch.tensor([0])).batch.group.tolist() == [0]
