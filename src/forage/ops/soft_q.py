"""Soft Q-learning of single tokens near a reference policy (ETPO, arXiv 2402.06700).

An action is a step: what is written in one turn, or a reasoning step of a response. Axes: N states (what stands before
a token), V vocabulary, B sequences, T tokens.

Two rules, by name. "published" is the paper's. "released" is what the authors' code computes: its policy loss is the
plain mean over the vocabulary, without the reference, and its targets take the divergence inside of an action from the
same place in the next one.
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import masked, require_shape

SoftQRule = Literal["published", "released"]


def soft_expectations(q: Tensor, logprob: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """What a state is worth under the policy, and how far the policy is from the reference there (arXiv 2402.06700).

        E_pi[Q] = sum_w pi(w) Q(w),  KL(pi || rho) = sum_w pi(w) ln pi(w) / rho(w)

    The soft value of the state is the first less beta times the second.

    Args:
        q: (N, V) float, Q of each token.
        logprob: (N, V) float, ln pi.
        reference: (N, V) float, ln rho.

    Returns:
        expected: (N,).
        divergence: (N,), in nats, 0 or more.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> even = torch.tensor([[0.5, 0.5]]).log()
        >>> soft_expectations(torch.tensor([[1.0, 0.0]]), even, torch.tensor([[0.25, 0.75]]).log())
        (tensor([0.5000]), tensor([0.1438]))
    """
    require_shape(tuple(q.shape), logprob=logprob, reference=reference)
    chance = logprob.exp()
    return (chance * q).sum(1), (chance * (logprob - reference)).sum(1)


def soft_q_targets(
    reward: Tensor,
    expected: Tensor,
    divergence: Tensor,
    step: Tensor,
    mask: Tensor,
    *,
    beta: float,
    gamma: float,
    rule: SoftQRule = "published",
) -> Tensor:
    """What the Q of each sampled token is drawn to: the soft Bellman update per token (ETPO, arXiv 2402.06700).

        y_t = r_t + d_t (E_pi[Q](s_{t+1}) - beta KL(s_{t+1}))        d_t = gamma at the last token of a step, else 1

    Behind the last token of a sequence there is nothing: y = r. Under "released" the divergence inside of a step is
    that at the next place of the following step, 0 where that has none; at the last token both rules agree.

    Args:
        reward: (B, T) float, the reward that follows each token.
        expected: (B, T) float, E_pi[Q] of the state before each token, by the target network.
        divergence: (B, T) float, KL(pi || rho) of that state.
        step: (B, T) int64, the number of the step of each token, from 0; anything off the mask.
        mask: (B, T) bool; tokens off it do not exist.
        beta: weight of the divergence, 0 or more.
        gamma: discount between steps, in [0, 1].
        rule: "published" or "released".

    Returns:
        (B, T), 0 off the mask.

    Raises:
        ForageError: beta or gamma out of range, or an unknown rule.
        ValueError: the shapes differ.

    Example:
        >>> step, mask = torch.tensor([[0, 0, 1]]), torch.ones(1, 3, dtype=torch.bool)
        >>> reward, expected = torch.tensor([[0.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.75, 1.0]])
        >>> divergence = torch.tensor([[0.0, 0.5, 0.25]])  # 0.75 - 0.5, (1 - 0.25) / 2, 1
        >>> soft_q_targets(reward, expected, divergence, step, mask, beta=1.0, gamma=0.5)
        tensor([[0.2500, 0.3750, 1.0000]])
    """
    check_soft_q(beta, gamma, rule)
    require_shape(tuple(mask.shape), reward=reward, expected=expected, divergence=divergence, step=step)
    reward, expected, divergence = (masked(each, mask) for each in (reward, expected, divergence))
    elsewhere = _next_step(divergence, step, mask) if rule == "released" else divergence
    value, apart = torch.zeros_like(reward[:, 0]), torch.zeros_like(reward[:, 0])
    following = torch.full_like(step[:, 0], -1)  # the step of the next token; -1 behind the last one
    columns: list[Tensor] = []
    for t in reversed(range(mask.shape[1])):
        here, last = mask[:, t], step[:, t] != following
        divergence_then = elsewhere[:, t] if rule == "released" else apart
        divergence_then = torch.where(last, apart, divergence_then)
        later = torch.where(following >= 0, value - beta * divergence_then, 0)
        target = reward[:, t] + torch.where(last, gamma, 1.0) * later
        columns.append(target.masked_fill(~here, 0))
        value, apart = torch.where(here, expected[:, t], value), torch.where(here, divergence[:, t], apart)
        following = torch.where(here, step[:, t], following)
    return torch.stack(columns[::-1], dim=1)


def _next_step(divergence: Tensor, step: Tensor, mask: Tensor) -> Tensor:
    """(B, T): for place p of step l the divergence at place p + 1 of step l + 1; 0 where there is no such token."""
    rows, width = mask.shape
    number = torch.where(mask, step, 0)
    rank = mask.long().cumsum(1) - 1
    first = torch.full((rows, int(number.max()) + 1 if number.numel() else 1), width, device=mask.device)
    first = first.scatter_reduce(1, number, torch.where(mask, rank, width), "amin")
    place = torch.where(mask, rank - first.gather(1, number), 0)
    table = divergence.new_zeros(rows, first.shape[1] + 1, width + 1)
    row = torch.arange(rows, device=mask.device)[:, None].expand(rows, width)
    table[row[mask], number[mask], place[mask]] = divergence[mask]
    return masked(table[row, number + 1, place + 1], mask)


def soft_q_loss(logprob: Tensor, q: Tensor, reference: Tensor, *, beta: float, rule: SoftQRule = "published") -> Tensor:
    """What the policy minimizes in each state (ETPO, arXiv 2402.06700).

        published: sum_w pi(w) (beta ln pi(w) / rho(w) - Q(w)), at pi ~ rho exp(Q / beta) least: -beta ln Z
        released:  (1 / V) sum_w (beta ln pi(w) - Q(w))

    Q carries no gradient, so that of the released rule is beta times the gradient of the mean of ln pi, whatever Q is:
    a policy that follows it moves away from the uniform distribution and learns nothing from rewards.

    Args:
        logprob: (N, V) float, ln pi; the only one with a gradient.
        q: (N, V) float, Q of each token.
        reference: (N, V) float, ln rho.
        beta: weight of the divergence, 0 or more.
        rule: "published" or "released".

    Returns:
        (N,).

    Raises:
        ForageError: beta is out of range, or the rule unknown.
        ValueError: the shapes differ.

    Example:
        >>> even, q = torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]])
        >>> [round(float(soft_q_loss(even, q, even, beta=1.0, rule=rule)), 4) for rule in ("published", "released")]
        [-0.5, -1.1931]
    """
    check_soft_q(beta, 1.0, rule)
    require_shape(tuple(logprob.shape), q=q, reference=reference)
    if rule == "released":
        return (beta * logprob - q.detach()).mean(1)
    return (logprob.exp() * (beta * (logprob - reference.detach()) - q.detach())).sum(1)


def check_soft_q(beta: float, gamma: float, rule: str) -> None:
    """Raises ForageError unless beta is 0 or more, gamma lies in [0, 1] and the rule is known."""
    if not (math.isfinite(beta) and beta >= 0):
        raise ForageError(f"beta, the weight of the divergence from the reference, is 0 or more, not {beta}.")
    if not 0 <= gamma <= 1:
        raise ForageError(f"gamma, the discount between steps, lies between 0 and 1, not {gamma}.")
    if rule not in get_args(SoftQRule):
        raise ForageError(f"The rules of soft Q-learning are {' and '.join(get_args(SoftQRule))}, not {rule!r}.")
