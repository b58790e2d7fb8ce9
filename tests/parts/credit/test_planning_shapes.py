"""Planning credit and its controls, by hand."""

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.planning import most_uncertain, planning_credit
from forage.parts.credit.shape.entropy_planning_bonus import EntropyPlanningBonus
from forage.parts.credit.shape.inverted_planning_credit import InvertedPlanningCredit
from forage.parts.credit.shape.planning_credit import PlanningCredit
from forage.parts.credit.shape.reported_planning_credit import ReportedPlanningCredit
from laws import make_train


def row(*numbers: float) -> Tensor:
    return torch.tensor([numbers])


def all_learned(tensor: Tensor) -> Tensor:
    return torch.ones_like(tensor, dtype=torch.bool)


# alpha .2, planning token: A + .2 |A|.
GOLDEN = [(1.0, 1.2), (-1.0, -0.8), (0.0, 0.0), (0.5, 0.6), (-0.5, -0.4)]


def test_golden_table() -> None:
    advantage, wanted = (row(*column) for column in zip(*GOLDEN, strict=True))
    loss_mask = all_learned(advantage)
    planning = {"planning": torch.ones_like(advantage)}
    torch.testing.assert_close(PlanningCredit()(advantage, planning, loss_mask), wanted)
    assert torch.equal(InvertedPlanningCredit()(advantage, planning, loss_mask), advantage)
    nothing = {"planning": torch.zeros_like(advantage)}
    assert torch.equal(PlanningCredit()(advantage, nothing, loss_mask), advantage)
    torch.testing.assert_close(InvertedPlanningCredit()(advantage, nothing, loss_mask), wanted)


def test_only_planning_tokens_change_and_the_update_lands() -> None:
    train = make_train()
    planning = train.signals["planning"].bool() & train.batch.loss_mask & (train.advantage != 0)
    assert planning.any()
    shaped = PlanningCredit()(train.advantage, train.signals, train.batch.loss_mask)
    assert torch.equal(shaped != train.advantage, planning)
    inverted = InvertedPlanningCredit()(train.advantage, train.signals, train.batch.loss_mask)
    assert torch.equal(inverted != train.advantage, ~planning & train.batch.loss_mask & (train.advantage != 0))


def test_the_two_ways_to_write_the_rule_agree() -> None:
    """A + alpha |A| m = A (1 + alpha sign A)^m for m in {0, 1}."""
    advantage = torch.randn(4, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mask = torch.arange(50).remainder(3).eq(0).expand(4, 50)
    for alpha in (-0.2, 0.0, 0.2, 0.9):
        factor = torch.where(mask, 1 + alpha * advantage.sign(), 1.0)
        torch.testing.assert_close(planning_credit(advantage, mask, alpha=alpha), advantage * factor)
        assert torch.equal(planning_credit(advantage, mask, alpha=alpha).sign(), advantage.sign())


# alpha_e .4, kappa 2, alpha_h .2, kappa_tot 2, planning token: min(min(.4 H, |A|/2) + .2 |A|, |A|/2).
JOINT = [
    (1.0, 0.5, 1.0, 1.4),  # .2 + .2
    (-1.0, 0.5, 1.0, -0.6),
    (1.0, 1.0, 1.0, 1.5),  # .4 + .2, capped at .5
    (-1.0, 1.0, 1.0, -0.5),
    (1.0, 0.5, 0.0, 1.2),  # no planning token: the entropy bonus alone
    (1.0, 3.0, 0.0, 1.5),
    (-0.2, 0.0, 1.0, -0.16),  # no entropy: the planning credit alone
    (0.0, 2.0, 1.0, 0.0),
]


def test_joint_golden_table() -> None:
    advantage, entropy, planning, wanted = (row(*column) for column in zip(*JOINT, strict=True))
    signals = {"entropy": entropy, "planning": planning}
    shaped = EntropyPlanningBonus()(advantage, signals, all_learned(advantage))
    torch.testing.assert_close(shaped, wanted)
    saturated, paid = EntropyPlanningBonus().tallies(advantage, signals, all_learned(advantage))["bonus_saturated"]
    assert (int(saturated), int(paid)) == (3, 7)


def test_the_joint_cap_keeps_signs_where_the_parts_in_sequence_would_go_lower() -> None:
    # One after the other: -1 -> -.5 -> -.4; under one cap of 2 never beyond -.5.
    signals = {"entropy": row(9.0), "planning": row(1.0)}
    assert EntropyPlanningBonus()(row(-1.0), signals, all_learned(row(0))).item() == pytest.approx(-0.5)
    tight = EntropyPlanningBonus(total_kappa=10)
    assert tight(row(-1.0), signals, all_learned(row(0))).item() == pytest.approx(-0.9)


def test_no_gradient_flows_through_the_entropy() -> None:
    signals = {"entropy": row(0.5).requires_grad_(), "planning": row(1.0)}
    assert not EntropyPlanningBonus()(row(1.0), signals, all_learned(row(0))).requires_grad


def test_the_reported_rule_by_hand() -> None:
    # Ten tokens each, of which the three most uncertain count (share .3); the first row is right and long, the second
    # is not. Token 9 plans in both.
    entropy = torch.tensor([[0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.1, 0.1, 0.1, 0.0]]).repeat(2, 1)
    planning = torch.zeros(2, 10)
    planning[:, 9] = 1
    signals = {
        "entropy": entropy,
        "planning": planning,
        "long_success": torch.tensor([[1.0], [0.0]]).repeat(1, 10),
    }
    advantage = torch.tensor([[1.0], [-1.0]]).repeat(1, 10)
    shaped = ReportedPlanningCredit()(advantage, signals, all_learned(advantage))
    wanted = advantage.clone()
    wanted[0, [0, 2, 4, 9]] = 1.2
    wanted[1, 9] = -0.8
    torch.testing.assert_close(shaped, wanted)


def test_most_uncertain_counts_learned_tokens_and_keeps_ties() -> None:
    entropy = torch.tensor([[9.0, 0.5, 0.5, 0.1, 0.0], [0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    loss_mask = torch.tensor([[0, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    wanted = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    assert torch.equal(most_uncertain(entropy, loss_mask, share=0.3), wanted)  # ceil(.9) = 1, and its tie


def test_settings_that_break_signs_are_refused() -> None:
    for alpha in (1.0, -1.0, float("nan")):
        for shape in (PlanningCredit, InvertedPlanningCredit, ReportedPlanningCredit):
            with pytest.raises(ForageError, match="alpha"):
                shape(alpha=alpha)
    with pytest.raises(ForageError, match="alpha"):
        EntropyPlanningBonus(planning_alpha=-0.1)
    for kappa, total in ((1.0, 2.0), (2.0, 1.0)):
        with pytest.raises(ForageError, match="kappa"):
            EntropyPlanningBonus(kappa=kappa, total_kappa=total)
    with pytest.raises(ForageError, match="share"):
        ReportedPlanningCredit(share=0.0)
