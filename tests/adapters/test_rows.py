"""SkyRL's estimator on inputs in its format, and what the hooks share."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from forage.adapters.parts import Parts
from forage.adapters.rows import ExternalRow, groups_of
from forage.adapters.settle import settled
from forage.adapters.skyrl import estimator
from forage.core.errors import ForageError
from forage.core.records import Score
from forage.ops.entropy import entropy_bonus
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.pass_at_k import PassAtK
from forage.parts.credit.shape.entropy_bonus import EntropyBonus


def test_baselines_in_skyrl() -> None:
    rewards = torch.zeros(5, 3)
    rewards[:, 2] = torch.tensor([1.0, 0.0, 0.0, 1.0, torch.nan])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]])
    found, returns = estimator(PassAtK(k=2))(rewards, mask, ["a", "a", "a", "b", "b"], config=None)
    group = torch.tensor([0, 0, 0, 1, 1])
    wanted = PassAtK(k=2)(rewards.sum(1).double(), group).nan_to_num(0).float()
    assert torch.equal(found, wanted[:, None] * mask)
    assert wanted.any()
    assert torch.equal(found, returns)
    with pytest.raises(ForageError, match="at least one"):
        estimator()


def test_skyrl_calls_an_estimator_by_these_names() -> None:
    """As its `compute_advantages_and_returns` does (version 0.3.0), with groups in an array of objects."""
    rewards = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    named = {"values": None, "grpo_norm_by_std": True, "gamma": 1.0, "lambd": 1.0, "config": None}
    index = np.array(["a", "a"], dtype=object)
    found, _ = estimator(MeanCentre())(
        token_level_rewards=rewards, response_mask=torch.ones(2, 2), index=index, **named
    )
    assert found.tolist() == [[0.5, 0.5], [-0.5, -0.5]]


def test_what_a_hook_cannot_do_is_said() -> None:
    base = torch.ones(2, 3)
    common = {"reward": torch.ones(2), "entropy": None}
    with pytest.raises(ForageError, match="computed none"):
        settled(Parts(shapes=(EntropyBonus(at="sampling"),)), base, base.bool(), **common)
    with pytest.raises(ForageError, match="not given them"):
        settled(Parts(baselines=(MeanCentre(),)), base, base.bool(), **common)


def test_rows_that_were_not_judged_get_nothing() -> None:
    base, reward = torch.ones(2, 3), torch.tensor([1.0, torch.nan])
    entropy = torch.full((2, 3), 0.5)
    found = settled(Parts(shapes=(EntropyBonus(at="sampling"),)), base, base.bool(), reward=reward, entropy=entropy)
    assert torch.equal(found[0], entropy_bonus(base, entropy, alpha=0.4, kappa=2.0)[0])
    assert not found[1].any()


class Letters:
    def decode(self, tokens: Any) -> str:
        return "".join(chr(97 + token % 26) for token in tokens)

    def pieces(self, tokens: Any) -> tuple[str, ...]:
        return tuple(map(self.decode, ([token] for token in tokens)))


def test_groups_are_whole_and_share_their_start() -> None:
    row = ExternalRow(prompt=(1,), completion=(5, 6), score=Score(1.0))
    assert [len(group.rollouts) for group in groups_of([row] * 5, [2, 3], Letters())] == [2, 3]  # pyright: ignore[reportArgumentType]
    for rows, says in (
        ([row] * 3, "whole groups"),
        ([row, replace(row, given=1)], "mixes starts"),
        ([row, replace(row, prompt=(2,))], "different prompts"),
        ([replace(row, given=2)] * 2, "no token"),
    ):
        with pytest.raises(ForageError, match=says):
            groups_of(rows, 2, Letters())  # pyright: ignore[reportArgumentType]
