"""Credit where siblings share the beginning of a response: what is common is counted once.

Siblings share the token at t where their sequences are equal up to and with t. Responses that were forked from one
another do so by design, others by chance.

Axes: B sequences, T tokens.
"""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape
from forage.ops.segments import segments


def prefix_owner(tokens: Tensor, mask: Tensor, group: Tensor) -> Tensor:
    """Which node of its group's tree of prefixes each token belongs to (lambda-GRPO, arXiv 2509.21154).

        the first sibling j with tokens_j[0 ... t] = tokens_i[0 ... t] and t on its mask

    Args:
        tokens: (B, T) int64, with the prompt, which siblings share.
        mask: (B, T) bool, the tokens that are learned from; rows to leave out have none.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B, T) int64: two siblings have one number at t exactly where they share the token; -1 off the mask.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> tokens = torch.tensor([[9, 1, 2], [9, 1, 3], [9, 4, 3]])
        >>> mask = torch.tensor([[False, True, True]] * 3)
        >>> prefix_owner(tokens, mask, torch.zeros(3, dtype=torch.int64))
        tensor([[-1,  0,  0],
                [-1,  0,  1],
                [-1,  2,  2]])
    """
    require_shape(tuple(tokens.shape), mask=mask)
    require_shape((tokens.shape[0],), group=group)
    owner = torch.full_like(tokens, -1)
    for number in torch.unique(group):
        rows = (group == number).nonzero()[:, 0]
        mine, learned = tokens[rows], mask[rows]
        same = (mine[:, None] == mine[None]).cumprod(dim=2, dtype=torch.uint8).bool() & learned[:, None] & learned[None]
        first = rows[same.to(torch.uint8).argmax(dim=1)]  # over siblings: the first that shares
        owner[rows] = first.masked_fill(~learned, -1)
    return owner


def sharing(tokens: Tensor, mask: Tensor, group: Tensor) -> Tensor:
    """How many siblings share each token and all before it, itself counted (lambda-GRPO, arXiv 2509.21154).

        |lambda_{i,t}| = #{siblings j: tokens_j[0 ... t] = tokens_i[0 ... t]}

    GRPO's loss over these counts is a mean over different prefixes: one that was drawn twice counts once.

    Args:
        tokens: (B, T) int64, with the prompt.
        mask: (B, T) bool, the tokens that are learned from; rows to leave out have none.
        group: (B,) int64, equal numbers for siblings.

    Returns:
        (B, T) float32, 1 or more on the mask; 0 off it.

    Raises:
        ValueError: the shapes do not fit.

    Example:
        >>> tokens = torch.tensor([[9, 1, 2], [9, 1, 3], [9, 4, 3]])
        >>> mask = torch.tensor([[False, True, True]] * 3)
        >>> sharing(tokens, mask, torch.zeros(3, dtype=torch.int64))
        tensor([[0., 2., 1.],
                [0., 2., 1.],
                [0., 1., 1.]])
    """
    owner = prefix_owner(tokens, mask, group)
    return masked(_node_sums(mask.double(), owner), mask).float()


def tree_advantage(value: Tensor, tokens: Tensor, mask: Tensor, group: Tensor, *, power: float = 0.5) -> Tensor:
    """What a node of the tree of prefixes is worth, and how much more than the one before (TreeRL, arXiv 2506.11902).

        ((V_node - V_parent) + V_node) / n^power,  V the mean value of the n responses through a node

    The parent is the last node before with other responses through it; that of the first node is the root, the mean
    over all siblings. With the values of `leave_one_out` the root is worth 0, and a response that shares nothing gets
    2 V on all its tokens.

    Args:
        value: (B,) float, of the responses, as baselines left them; NaN was not judged and takes no part.
        tokens: (B, T) int64, with the prompt.
        mask: (B, T) bool, the tokens that are learned from.
        group: (B,) int64, equal numbers for siblings.
        power: 0.5 in the paper; 0 leaves shared tokens the weight of all who share them, 1 counts them once.

    Returns:
        (B, T) of the dtype of `value`, 0 off the mask and where nothing was judged.

    Raises:
        ForageError: `power` lies outside [0, 1].
        ValueError: the shapes do not fit.

    Example:
        >>> tokens = torch.tensor([[9, 1, 2], [9, 1, 3], [9, 4, 3]])
        >>> mask = torch.tensor([[False, True, True]] * 3)
        >>> tree_advantage(torch.tensor([1.0, -0.5, -0.5]), tokens, mask, torch.zeros(3, dtype=torch.int64), power=0)
        tensor([[ 0.0000,  0.5000,  1.7500],
                [ 0.0000,  0.5000, -1.2500],
                [ 0.0000, -1.0000, -1.0000]])
    """
    check_power(power)
    judged = mask & ~value.isnan()[:, None]
    owner = prefix_owner(tokens, judged, group)
    many = _node_sums(judged.double(), owner).clamp_min(1)
    mean = _node_sums(masked(value.double()[:, None].expand(mask.shape), judged), owner) / many
    groups = segments(value, group)
    parent = groups.mean[groups.index]
    before, begun = torch.zeros_like(mean), torch.zeros_like(judged[:, 0])
    last_many, last_mean = many[:, 0], mean[:, 0]  # of the token before on the mask
    for place in range(mask.shape[1]):
        here = judged[:, place]
        left = here & begun & (many[:, place] != last_many)  # somebody went another way, or ended
        parent = torch.where(left, last_mean, parent)
        before[:, place] = parent
        last_many = torch.where(here, many[:, place], last_many)
        last_mean = torch.where(here, mean[:, place], last_mean)
        begun = begun | here
    return masked((2 * mean - before) / many**power, judged).to(value.dtype)


def check_power(power: float) -> None:
    """Raises ForageError unless `power` lies in [0, 1]."""
    if not 0 <= power <= 1:
        raise ForageError(
            f"power lies between 0 (each sibling counts) and 1 (a shared token counts once), not {power}."
        )


def _node_sums(values: Tensor, owner: Tensor) -> Tensor:
    """(B, T) float64: the sums of `values` over the rows that share each token."""
    sums = torch.zeros_like(values)
    known = owner.clamp_min(0)
    sums.scatter_add_(0, known, values.masked_fill(owner < 0, 0))
    return sums.gather(0, known)
