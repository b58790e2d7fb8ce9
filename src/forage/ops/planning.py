"""Extra credit for planning tokens (HICRA, Wang et al., arXiv 2509.03646)."""

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.entropy import check_kappa, entropy_bonus
from forage.ops.masked import masked, require_shape


def check_planning_alpha(alpha: float, *, least: float = -1) -> None:
    """Raises ForageError unless `least` <= alpha < 1, and alpha > -1: nothing else keeps every sign."""
    if not (-1 < alpha < 1 and alpha >= least):
        low = "0 and below 1" if least == 0 else "-1 and 1"
        raise ForageError(f"alpha must lie between {low}, so that no advantage changes its sign, not {alpha}.")


def planning_credit(advantage: Tensor, planning: Tensor, *, alpha: float) -> Tensor:
    """More credit for planning tokens (HICRA, Wang et al. 2025, arXiv 2509.03646, section 3).

        A' = A + alpha |A| on planning tokens, A elsewhere

    Winning responses get more credit for their plans and losing ones less blame.

    Args:
        advantage: float of any shape, A.
        planning: the same shape; bool, or numbers that are 0 or not.
        alpha: in (-1, 1), which keeps every sign. Published: 0.2; a negative one is the inverse control.

    Returns:
        A new tensor of the shape and dtype of `advantage`.

    Raises:
        ForageError: alpha lies outside (-1, 1).
        ValueError: the shapes differ.

    Example:
        >>> planning_credit(torch.tensor([1.0, -1.0, 1.0]), torch.tensor([True, True, False]), alpha=0.25)
        tensor([ 1.2500, -0.7500,  1.0000])
    """
    check_planning_alpha(alpha)
    return advantage + alpha * masked(advantage.abs(), planning.bool())


def entropy_planning_bonus(
    advantage: Tensor,
    entropy: Tensor,
    planning: Tensor,
    *,
    entropy_alpha: float,
    kappa: float,
    planning_alpha: float,
    total_kappa: float,
) -> Tensor:
    """The entropy bonus (arXiv 2506.14758) and the planning credit (arXiv 2509.03646) together, under one cap.

        A' = A + min(psi + planning_alpha |A| m, |A| / total_kappa),  psi = min(entropy_alpha sg[H], |A| / kappa)

    One after the other the two would compound, up to 1.8 |A| with the published settings. The common cap is ours.

    Args:
        advantage: float of any shape, A.
        entropy: the same shape, H in nats.
        planning: the same shape, m; bool, or numbers that are 0 or not.
        entropy_alpha: the strength of the entropy bonus, 0 or more.
        kappa: the cap of the entropy bonus, above 1.
        planning_alpha: the planning credit, in [0, 1).
        total_kappa: the common cap, above 1, which keeps every sign.

    Returns:
        A new tensor of the shape and dtype of `advantage`.

    Raises:
        ForageError: a setting lies outside its range.
        ValueError: the shapes differ.

    Example:
        >>> advantage, entropy, planning = torch.tensor([1.0, -1.0]), torch.tensor([0.25, 2.0]), torch.tensor([1, 0])
        >>> settings = dict(entropy_alpha=0.5, kappa=2.0, planning_alpha=0.25, total_kappa=2.0)
        >>> entropy_planning_bonus(advantage, entropy, planning, **settings)
        tensor([ 1.3750, -0.5000])
    """
    check_kappa(total_kappa)
    wish = entropy_planning_wish(
        advantage, entropy, planning, entropy_alpha=entropy_alpha, kappa=kappa, planning_alpha=planning_alpha
    )
    return advantage + torch.minimum(wish, advantage.abs() / total_kappa)


def entropy_planning_wish(
    advantage: Tensor,
    entropy: Tensor,
    planning: Tensor,
    *,
    entropy_alpha: float,
    kappa: float,
    planning_alpha: float,
) -> Tensor:
    """The two bonuses of `entropy_planning_bonus` added up, before the common cap."""
    check_planning_alpha(planning_alpha, least=0)
    uncertain = entropy_bonus(advantage, entropy, alpha=entropy_alpha, kappa=kappa) - advantage
    planned = planning_credit(advantage.abs(), planning, alpha=planning_alpha) - advantage.abs()
    return torch.maximum(uncertain + planned, torch.zeros_like(advantage))


def most_uncertain(entropy: Tensor, mask: Tensor, *, share: float) -> Tensor:
    """The most uncertain tokens of each response, as reported for the code of HICRA (TRL pull request 4997, 2026).

        the ceil(share n) of the n tokens of a row with the largest entropy, ties included

    Args:
        entropy: (B, T) float.
        mask: (B, T) bool.
        share: in (0, 1].

    Returns:
        (B, T) bool, False off the mask.

    Raises:
        ForageError: the share lies outside (0, 1].
        ValueError: the shapes differ.

    Example:
        >>> most_uncertain(torch.tensor([[0.1, 0.9, 0.5]]), torch.ones(1, 3, dtype=torch.bool), share=0.3)
        tensor([[False,  True, False]])
    """
    check_uncertain_share(share)
    require_shape(tuple(mask.shape), entropy=entropy)
    # A hair less, so that a share like 0.3 of 10 tokens is 3 of them and not, by rounding, 4.
    count = (mask.sum(dim=1, keepdim=True).double() * share - 1e-9).ceil().to(torch.int64)
    ranked = entropy.masked_fill(~mask, -torch.inf).sort(dim=1, descending=True).values
    least = ranked.gather(1, (count - 1).clamp_min(0))
    return mask & (entropy >= least)


def check_uncertain_share(share: float) -> None:
    """Raises ForageError unless `share` lies in (0, 1]."""
    if not 0 < share <= 1:
        raise ForageError(f"The share of uncertain tokens lies above 0 and up to 1, not {share}.")
