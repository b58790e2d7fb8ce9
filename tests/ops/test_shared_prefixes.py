"""Shared beginnings: trees worked by hand, and what must hold of every tree."""

import itertools

import pytest
import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.segments import group_advantage, leave_one_out
from forage.ops.shared_prefixes import prefix_owner, sharing, tree_advantage

ONE = torch.zeros(4, dtype=torch.int64)
TREE = torch.tensor([[9, 1, 2, 3], [9, 1, 2, 4], [9, 1, 5, 0], [9, 6, 5, 0]])
"""9 is the prompt. Three go by 1, two of them by 2; the last two end a token earlier."""
LEARNED = torch.tensor([[False, True, True, True]] * 2 + [[False, True, True, False]] * 2)


def random_tree(seed: int, rows: int = 10, width: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Two groups of short words over two letters, so that much is shared."""
    draw = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, 3, (rows, width), generator=draw)
    tokens[:, 0] = 9
    ends = torch.randint(2, width + 1, (rows,), generator=draw)
    place = torch.arange(width)[None]
    return tokens, (place > 0) & (place < ends[:, None]), torch.arange(rows) % 2


def test_sharing_by_hand() -> None:
    wanted = torch.tensor([[0.0, 3, 2, 1], [0, 3, 2, 1], [0, 3, 1, 0], [0, 1, 1, 0]])
    assert torch.equal(sharing(TREE, LEARNED, ONE), wanted)
    assert torch.equal(sharing(TREE, LEARNED, torch.tensor([0, 1, 1, 1]))[0], torch.tensor([0.0, 1, 1, 1]))


def test_a_tree_by_hand() -> None:
    # Values 3, 1, -1, -3: node 1 is worth (3 + 1 - 1) / 3 = 1, node 12 is worth 2, the root 0.
    value = torch.tensor([3.0, 1, -1, -3])
    plain = tree_advantage(value, TREE, LEARNED, ONE, power=0)
    wanted = torch.tensor([[0.0, 1 - 0 + 1, 2 - 1 + 2, 3 - 2 + 3], [0, 2, 3, 1 - 2 + 1], [0, 2, -1 - 1 - 1, 0]])
    torch.testing.assert_close(plain[:3], wanted)
    torch.testing.assert_close(plain[3], torch.tensor([0.0, -6, -6, 0]))
    half = tree_advantage(value, TREE, LEARNED, ONE)
    torch.testing.assert_close(half[0], torch.tensor([0.0, 2 / 3**0.5, 3 / 2**0.5, 4]))


def test_a_chain_of_equal_sharing_is_one_node() -> None:
    """The parent of the node 1 2 is the root, at both of its tokens."""
    tokens = torch.tensor([[9, 1, 2, 3], [9, 1, 2, 4], [9, 5, 5, 5]])
    learned = torch.tensor([[False, True, True, True]] * 3)
    found = tree_advantage(torch.tensor([2.0, 0, -2]), tokens, learned, ONE[:3], power=0)
    torch.testing.assert_close(found[0], torch.tensor([0.0, 2, 2, 2 - 1 + 2]))


@pytest.mark.parametrize("seed", range(5))
def test_the_definition_sibling_by_sibling(seed: int) -> None:
    tokens, mask, group = random_tree(seed)
    counts = sharing(tokens, mask, group)
    owner = prefix_owner(tokens, mask, group)
    assert (counts > 1).any()
    for i, t in itertools.product(range(len(tokens)), range(tokens.shape[1])):
        if not mask[i, t]:
            assert counts[i, t] == 0
            assert owner[i, t] == -1
            continue
        same = [
            j
            for j in range(len(tokens))
            if group[j] == group[i] and mask[j, t] and tokens[j, : t + 1].tolist() == tokens[i, : t + 1].tolist()
        ]
        assert counts[i, t] == len(same)
        assert owner[i, t] == min(same)


@pytest.mark.parametrize("seed", range(5))
def test_a_prefix_that_was_drawn_twice_counts_once(seed: int) -> None:
    """The weights of all who share a token add up to 1, so the loss is a mean over different prefixes."""
    tokens, mask, group = random_tree(seed)
    weight = torch.where(mask, 1 / sharing(tokens, mask, group), 0)
    owner = prefix_owner(tokens, mask, group)
    for place in range(1, tokens.shape[1]):
        for node in owner[:, place][mask[:, place]].unique():
            assert weight[:, place][owner[:, place] == node].sum() == pytest.approx(1, abs=1e-6)


def test_without_sharing_it_is_the_rule_without_a_tree() -> None:
    tokens = torch.tensor([[9, 1, 7], [9, 2, 7], [9, 3, 7]])
    mask, group = torch.tensor([[False, True, True]] * 3), ONE[:3]
    assert (sharing(tokens, mask, group)[mask] == 1).all()
    value = leave_one_out(torch.tensor([1.0, 0, 0]), group)
    for power in (0.0, 0.5, 1.0):
        found = tree_advantage(value, tokens, mask, group, power=power)
        torch.testing.assert_close(found, 2 * value[:, None] * mask)


def test_what_was_not_judged_is_no_part_of_the_tree() -> None:
    value = group_advantage(torch.tensor([1.0, 0.0, 1.0, 0.0]), ONE, scale="none")
    value[1] = torch.nan
    found = tree_advantage(value, TREE, LEARNED, ONE)
    rest = torch.tensor([0, 2, 3])
    torch.testing.assert_close(found[rest], tree_advantage(value[rest], TREE[rest], LEARNED[rest], ONE[rest]))
    assert (found[1] == 0).all()


def test_prompts_of_siblings_that_differ_share_nothing() -> None:
    tokens = TREE.clone()
    tokens[:, 0] = torch.arange(4)
    assert (sharing(tokens, LEARNED, ONE)[LEARNED] == 1).all()


def test_wrong_arguments() -> None:
    with pytest.raises(ForageError, match="power"):
        tree_advantage(torch.zeros(4), TREE, LEARNED, ONE, power=2)
    with pytest.raises(ValueError, match="shape"):
        sharing(TREE, LEARNED[:, :2], ONE)
