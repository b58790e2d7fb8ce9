"""Rewards that depend on how usual a way of being right is among the siblings, before any mean is taken.

n is the number of judged siblings in a response's mode, K of those that are right (have a mode), G of all. A weight
that acts before centering still pushes where all siblings are right; a factor on settled advantages cannot.

Axes: B values.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from forage.core.errors import ForageError
from forage.ops.masked import require_shape

ModeRule = Literal["ips", "darling", "darling_right", "gapo", "repetition"]
MODE_RULES: tuple[ModeRule, ...] = get_args(ModeRule)

DARLING_FLOOR = 0.1
"""What a right response keeps at least under "darling"."""


def mode_reward(
    reward: Tensor,
    mode: Sequence[Hashable | None],
    group: Tensor,
    *,
    rule: ModeRule,
    alpha: float = 1.0,
    strength: float = 0.5,
    modes: int = 0,
) -> Tensor:
    """The reward of each response weighted by how usual its mode is among its siblings, before any mean is taken.

        "ips":           r (G / n)^alpha                            arXiv 2601.21669
        "darling":       r max((G - n) / (G - 1), 0.1)              arXiv 2509.02534
        "darling_right": r max((K - n) / (K - 1), 0.1)              the same among right responses
        "gapo":          r (2 - n / K + 1 / modes) / 2              EMNLP 2025, paper 1649
        "repetition":    r - strength (n - 1) / G                   arXiv 2509.06941

    n is the number of judged siblings in the response's mode, K of those that have a mode, G of all. "repetition" also
    takes from wrong responses that have a mode. alpha = 0 or strength = 0 changes nothing.

    Args:
        reward: (B,) float, NaN where not judged.
        mode: a name for every response, None where it has none, which leaves its reward as it is.
        group: (B,) int64, equal numbers for siblings.
        rule: one of the names above.
        alpha: the power of "ips", 0 or more.
        strength: the strength of "repetition", 0 or more.
        modes: for "gapo", the number of valid modes of the problem: knowledge that training usually lacks.

    Returns:
        (B,) of the dtype of `reward`; NaN stays NaN.

    Raises:
        ForageError: an unknown rule, alpha or strength below 0, or "gapo" without `modes`.
        ValueError: the lengths differ.

    Example:
        >>> reward, group = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.zeros(4, dtype=torch.int64)
        >>> mode_reward(reward, ["a", "a", "b", None], group, rule="ips")
        tensor([2., 2., 4., 0.])
    """
    check_mode_rule(rule, alpha=alpha, strength=strength, modes=modes)
    require_shape((len(mode),), reward=reward, group=group)
    counts = mode_counts(reward, mode, group)
    value = reward.double()
    if rule == "repetition":
        changed = value - strength * (counts.same - 1) / counts.judged
    else:
        changed = value * _WEIGHTS[rule](counts, _Settings(alpha, modes))
    return torch.where(counts.same > 0, changed, value).to(reward.dtype)


def check_mode_rule(rule: str, *, alpha: float, strength: float, modes: int) -> None:
    """Raises ForageError for a rule that is not known, or a setting that it cannot have."""
    if rule not in MODE_RULES:
        raise ForageError(f"Rewards are weighted by mode under the rules {', '.join(MODE_RULES)}, not {rule!r}.")
    if not (alpha >= 0 and strength >= 0):
        raise ForageError(f"alpha and strength must be 0 (off) or more, not {alpha} and {strength}.")
    if rule == "gapo" and modes < 1:
        raise ForageError(
            "The rule gapo needs the number of valid modes of a problem (modes), which is privileged knowledge; "
            "ips and darling need none."
        )


@dataclass(frozen=True, slots=True)
class ModeCounts:
    """Of each value, (B,) float64: `same` judged siblings in its mode, itself included (0 where it has none or was not
    judged), `known` judged siblings with a mode, `judged` all judged siblings.
    """

    same: Tensor
    known: Tensor
    judged: Tensor


def mode_counts(reward: Tensor, mode: Sequence[Hashable | None], group: Tensor) -> ModeCounts:
    """Counts within the groups of `group` (B,) int64; a NaN reward was not judged and is not counted."""
    seen = (~reward.isnan()).tolist()
    numbers = group.tolist()
    keys = [(g, m) if s and m is not None else None for g, m, s in zip(numbers, mode, seen, strict=True)]
    members: dict[object, int] = {}
    known: dict[int, int] = {}
    judged: dict[int, int] = {}
    for number, key, counted in zip(numbers, keys, seen, strict=True):
        judged[number] = judged.get(number, 0) + counted
        known[number] = known.get(number, 0) + (key is not None)
        if key is not None:
            members[key] = members.get(key, 0) + 1

    def column(values: list[int]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=reward.device)

    return ModeCounts(
        same=column([0 if key is None else members[key] for key in keys]),
        known=column([known[number] for number in numbers]),
        judged=column([judged[number] for number in numbers]),
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    alpha: float
    modes: int


def _ips(counts: ModeCounts, settings: _Settings) -> Tensor:
    return (counts.judged / counts.same.clamp_min(1)) ** settings.alpha


def _darling(counts: ModeCounts, settings: _Settings) -> Tensor:
    return _distance(counts.judged, counts.same)


def _darling_right(counts: ModeCounts, settings: _Settings) -> Tensor:
    return _distance(counts.known, counts.same)


def _distance(size: Tensor, same: Tensor) -> Tensor:
    """The share of the others that lie in another mode, at least the floor; 1 without others."""
    return torch.where(size > 1, (size - same) / (size - 1).clamp_min(1), 1).clamp_min(DARLING_FLOOR)


def _gapo(counts: ModeCounts, settings: _Settings) -> Tensor:
    return (2 - counts.same / counts.known.clamp_min(1) + 1 / settings.modes) / 2


_WEIGHTS: Mapping[str, Callable[[ModeCounts, _Settings], Tensor]] = {
    "ips": _ips,
    "darling": _darling,
    "darling_right": _darling_right,
    "gapo": _gapo,
}
