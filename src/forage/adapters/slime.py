"""slime: `--custom-advantage-function-path forage.adapters.slime.advantage --use-rollout-entropy`.

slime calls the function once per rollout batch on the last pipeline stage, before its own normalization.
`rollout_data` holds lists with one entry per sample. Which methods run is said by `forage_methods` in
`--custom-config-path`, or by the environment variable FORAGE_METHODS, separated by ";".
"""

import os
from collections.abc import MutableMapping
from typing import Any

import torch
from torch import Tensor

from forage.adapters.settle import padded, parsed, settled
from forage.core.errors import ForageError

SEPARATOR = ";"
REQUIRED = ("rewards", "loss_masks", "response_lengths")


def advantage(args: Any, rollout_data: MutableMapping[str, Any]) -> None:
    """Sets `rollout_data["advantages"]` and `["returns"]`: lists of float32 tensors, one per response token.

    slime's rewards are relative to their group already (its reward post-processing); they are spread over the tokens,
    which are the returns, and then shaped. Raises ForageError where a list or the entropy is missing, and where the
    tokens of a response are split over processes.
    """
    missing = [name for name in REQUIRED if name not in rollout_data]
    if missing:
        raise ForageError(f"slime gave no {', '.join(missing)}: this is not the dictionary that this hook is made for.")
    parts = parsed(_methods(args))
    if parts.baselines is not None:
        raise ForageError(
            "slime has settled the rewards of a group before this hook, so a method that replaces the estimator comes "
            "too late. Choose slime's own (--advantage-estimator), and give the shapes alone."
        )
    masks: list[Tensor] = [mask.bool() for mask in rollout_data["loss_masks"]]
    _same_lengths("loss_masks", masks, rollout_data["response_lengths"])
    entropies = rollout_data.get("entropy")
    if entropies is not None:
        _same_lengths("entropy", entropies, rollout_data["response_lengths"])
    learned = padded(masks)
    reward = torch.tensor([float(value) for value in rollout_data["rewards"]], device=learned.device)
    base = (reward.nan_to_num(0.0)[:, None] * learned).float()
    entropy = None if entropies is None else padded(entropies)
    new = settled(parts, base, learned, reward=reward, entropy=entropy)
    sizes = [len(mask) for mask in masks]
    rollout_data["advantages"] = [row[:size].clone() for row, size in zip(new, sizes, strict=True)]
    rollout_data["returns"] = [row[:size].clone() for row, size in zip(base, sizes, strict=True)]


def _methods(args: Any) -> list[str]:
    named = getattr(args, "forage_methods", None) or os.environ.get("FORAGE_METHODS", "")
    return [text for text in named.split(SEPARATOR) if text] if isinstance(named, str) else list(named)


def _same_lengths(name: str, found: list[Tensor], lengths: list[int]) -> None:
    if [len(one) for one in found] != [int(length) for length in lengths]:
        raise ForageError(
            f"{name} does not have one entry per response token: with context parallelism every process holds a piece, "
            "which this hook does not put together. Set --context-parallel-size 1."
        )
