"""slime: functions for its hooks, named on its command line.

    --custom-reward-post-process-path forage.adapters.slime.rewards     baselines and rewards that compare siblings
    --custom-advantage-function-path forage.adapters.slime.advantage    shapes; with --use-rollout-entropy
    --custom-generate-function-path forage.adapters.slime.generate      restarts from the prefixes of the data

Which methods run is said by `forage_methods` in `--custom-config-path`, or by the environment variable FORAGE_METHODS,
separated by ";". What a method consists of is divided among the first two hooks.
"""

import itertools
import os
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor

from forage.adapters.group_credit import credit_by_group
from forage.adapters.parts import named_parts
from forage.adapters.rows import ExternalRow
from forage.adapters.settle import at_sampling, padded, settled
from forage.core.errors import ForageError
from forage.core.protocols import Baseline
from forage.core.records import Score
from forage.parts.credit.baseline.mean_centre import MeanCentre
from forage.parts.credit.baseline.std_scale import StdScale
from forage.tasks.own_function import load_function

SEPARATOR = ";"
REQUIRED = ("rewards", "loss_masks", "response_lengths")
REWARDS_PATH = "forage.adapters.slime.rewards"


def rewards(args: Any, samples: Sequence[Any]) -> tuple[list[float], list[float]]:
    """(raw rewards, credits), one of each per sample: slime logs the first and learns from the second.

    The siblings of a prompt (`group_index`) pass through the rewards of the methods, then through their baselines;
    where they keep the estimator that is the mean, and the deviation unless --disable-grpo-std-normalization. A right
    response (reward of 1/2 and more) is asked for its mode where `forage_mode` (or FORAGE_MODE) names a function of
    the sample, "module:function". A sample without a reward or without a token gets 0, and its siblings do not see it.
    """
    flat = [sample for item in samples for sample in (item if isinstance(item, list) else [item])]
    parts = named_parts(_methods(args))
    named = getattr(args, "forage_mode", None) or os.environ.get("FORAGE_MODE")
    mode = load_function(named) if named else None
    raw = [_reward(args, sample) for sample in flat]
    judged = [number for number, value in enumerate(raw) if value is not None and flat[number].response_length]
    judged.sort(key=lambda number: _first(flat, number))
    sizes = [len(list(block)) for _, block in itertools.groupby(judged, key=lambda number: flat[number].group_index)]
    scaled = getattr(args, "grpo_std_normalization", True)
    estimator: tuple[Baseline, ...] = (MeanCentre(), StdScale()) if scaled else (MeanCentre(),)
    rows = [_row(flat[number], float(raw[number] or 0.0), mode) for number in judged]
    credits = [0.0] * len(flat)
    for number, credit in zip(judged, credit_by_group(parts, rows, sizes, estimator=estimator), strict=True):
        credits[number] = credit
    return [0.0 if value is None else value for value in raw], credits


def advantage(args: Any, rollout_data: MutableMapping[str, Any]) -> None:
    """Sets `rollout_data["advantages"]` and `["returns"]`: lists of float32 tensors, one per response token.

    slime's rewards are relative to their group already (its reward post-processing, or `rewards` above); they are
    spread over the tokens, which are the returns, and then shaped. Raises ForageError where a list or the entropy is
    missing, and where the tokens of a response are split over processes.
    """
    missing = [name for name in REQUIRED if name not in rollout_data]
    if missing:
        raise ForageError(f"slime gave no {', '.join(missing)}: this is not the dictionary that this hook is made for.")
    parts = at_sampling(named_parts(_methods(args)))
    settled_before = getattr(args, "custom_reward_post_process_path", None) == REWARDS_PATH
    if not settled_before and (parts.baselines is not None or parts.rewards):
        raise ForageError(
            "slime has settled the rewards of a group before this hook, so methods that replace the estimator or look "
            f"at siblings come too late. Add --custom-reward-post-process-path {REWARDS_PATH}."
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
    new = settled(parts.shapes_only, base, learned, reward=reward, entropy=entropy)
    sizes = [len(mask) for mask in masks]
    rollout_data["advantages"] = [row[:size].clone() for row, size in zip(new, sizes, strict=True)]
    rollout_data["returns"] = [row[:size].clone() for row, size in zip(base, sizes, strict=True)]


async def generate(args: Any, sample: Any, sampling_params: dict[str, Any], evaluation: bool = False) -> Any:
    """slime's own generation, which continues `sample.metadata["prefix"]` (a text or tokens) where there is one.

    The prefix is the head of the response under a loss mask of 0, and counts towards its length limit. All samples of
    a prompt share its metadata, so siblings share their start. Evaluations begin at the bare prompt.
    """
    from slime.rollout import sglang_rollout  # pyright: ignore[reportMissingImports]

    if not evaluation and sample.response_length == 0 and sample.metadata.get("prefix"):
        begin(sample, sglang_rollout.GenerateState(args).tokenizer)
    return await sglang_rollout.generate(args, sample, sampling_params)


def begin(sample: Any, tokenizer: Any) -> None:
    """Writes the prefix of `sample.metadata` into the sample, as a response that others began. Raises ForageError."""
    if not hasattr(sample, "append_response_tokens"):
        raise ForageError(
            "This slime extends a response without its loss mask (its Sample has no append_response_tokens), so a "
            "prefix would be learned. Use a newer one."
        )
    if not isinstance(sample.prompt, str):
        raise ForageError("Restarts are for prompts of text: let slime apply the template (--apply-chat-template).")
    prefix = sample.metadata["prefix"]
    tokens = tokenizer.encode(prefix, add_special_tokens=False) if isinstance(prefix, str) else list(prefix)
    sample.tokens = [*tokenizer.encode(sample.prompt, add_special_tokens=False), *tokens]
    sample.response = prefix if isinstance(prefix, str) else tokenizer.decode(tokens)
    sample.response_length = len(tokens)
    sample.loss_mask = [0] * len(tokens)
    sample.rollout_log_probs = [0.0] * len(tokens)


def _row(sample: Any, value: float, mode: Callable[[Any], str | None] | None) -> ExternalRow:
    begin, mask = len(sample.tokens) - sample.response_length, sample.loss_mask
    given = next((place for place, own in enumerate(mask) if own), 0) if mask else 0
    right = value >= 0.5
    return ExternalRow(
        prompt=tuple(sample.tokens[:begin]),
        completion=tuple(sample.tokens[begin:]),
        score=Score(value, {"correct": float(right)}, mode=mode(sample) if mode and right else None),
        given=given,
        ended=sample.status.value != "truncated",
        prompt_text=sample.prompt,
        text=sample.response,
    )


def _reward(args: Any, sample: Any) -> float | None:
    key = getattr(args, "reward_key", None)
    reward = sample.reward[key] if key and sample.reward is not None else sample.reward
    return None if reward is None or reward != reward else float(reward)


def _first(samples: Sequence[Any], number: int) -> int:
    """Where the group of a sample begins: siblings need not stand together."""
    return next(place for place, other in enumerate(samples) if other.group_index == samples[number].group_index)


def _methods(args: Any) -> list[str]:
    named = getattr(args, "forage_methods", None) or os.environ.get("FORAGE_METHODS", "")
    return [text for text in named.split(SEPARATOR) if text] if isinstance(named, str) else list(named)


def _same_lengths(name: str, tensors: list[Tensor], lengths: list[int]) -> None:
    if [len(tensor) for tensor in tensors] != [int(length) for length in lengths]:
        raise ForageError(
            f"{name} does not have one entry per response token: with context parallelism every process holds a piece, "
            "which this hook does not put together. Set --context-parallel-size 1."
        )
