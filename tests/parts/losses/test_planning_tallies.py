"""Entropy, |A| and share of planning and execution tokens, by hand."""

import torch

from forage.parts.losses.planning_tallies import planning_tallies


def test_classes_by_hand() -> None:
    # Tokens 1 and 3 plan, token 4 is not measured. |A|: planning (2 + 1) / 2, execution 3; H: (0.5 + 1.5) / 2 and 0.25.
    planning = torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    advantage = torch.tensor([[2.0, -3.0, -1.0, 9.0]])
    entropy = torch.tensor([[0.5, 0.25, 1.5, 9.0]])
    measured = torch.tensor([[True, True, True, False]])
    tallies = planning_tallies(planning, advantage, entropy, measured)
    means = {name: float(total) / float(count) for name, (total, count) in tallies.items()}
    assert means == {
        "planning_share_update": 2 / 3,
        "entropy_planning_update": 1.0,
        "entropy_execution_update": 0.25,
        "advantage_planning": 1.5,
        "advantage_execution": 3.0,
    }
